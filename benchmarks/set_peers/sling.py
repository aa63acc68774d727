"""sling: one reader, files of a number of rows."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.peers.base import found_program, missing_programs
from benchmarks.set_peers.base import SetJob, SetPeer

__all__ = ["Sling"]

SOURCE = "SLING_SOURCE"


class Sling(SetPeer):
    """csv, cut into eight; for Parquet it downloads DuckDB when it runs."""

    name: ClassVar[str] = "sling, file_max_rows"
    ours: ClassVar[tuple[str, ...]] = ("-f", "csv", "--part-size", "64MiB")

    def missing(self) -> str | None:
        """One program. The package ``sling`` is a wrapper, which downloads it when it is first called."""
        return missing_programs("sling")

    def environment(self, job: SetJob) -> dict[str, str]:
        """On a command line everybody could read the password; its driver insists on TLS unless told otherwise."""
        return {SOURCE: f"{job.uri}?sslmode=disable", "SLING_HOME_DIR": str(job.scratch / "sling")}

    def command(self, job: SetJob) -> list[str]:
        """As its manual shows it."""
        options = f"{{format: csv, file_max_rows: {max(1, job.rows // 8)}}}"
        return [
            found_program("sling") or "sling", "run", "--src-conn", SOURCE, "--src-stream", f"public.{job.table}",
            "--tgt-object", f"file://{job.folder}/", "--tgt-options", options,
        ]  # fmt: skip

    def rows(self, job: SetJob) -> int | None:
        """Each of its files has a header."""
        import csv

        found = 0
        for path in job.folder.rglob("*.csv"):
            with path.open(encoding="utf-8", newline="") as file:
                found += sum(1 for _ in csv.reader(file, strict=True)) - 1
        return found
