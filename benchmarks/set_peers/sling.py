"""sling: one reader, files of a number of rows."""

from __future__ import annotations

import subprocess
from typing import ClassVar

from benchmarks.peers.base import missing_programs
from benchmarks.set_peers.base import SetJob, SetPeer

__all__ = ["Sling"]


class Sling(SetPeer):
    """Parquet, cut into eight."""

    name: ClassVar[str] = "sling"
    ours: ClassVar[tuple[str, ...]] = ("-f", "parquet", "--part-size", "64MiB")

    def missing(self) -> str | None:
        """One program. That of PyPI is a wrapper, which downloads it when it is first called."""
        absent = missing_programs("sling")
        if absent is not None:
            return absent
        tried = subprocess.run(["sling", "--version"], check=False, capture_output=True, text=True)
        return None if tried.returncode == 0 else f"sling does not run ({tried.stderr.strip().splitlines()[-1:]})"

    def command(self, job: SetJob) -> list[str]:
        """As its manual shows it."""
        options = f"{{format: parquet, file_max_rows: {max(1, job.rows // 8)}}}"
        target = f"file://{job.folder}/"
        return [
            "sling", "run", "--src-conn", job.uri, "--src-stream", f"public.{job.table}",
            "--tgt-object", target, "--tgt-options", options,
        ]  # fmt: skip
