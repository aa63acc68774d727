"""rivet: one file, by its mode ``full`` and its destination ``stdout``, which goes into the file."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import ClassVar

from benchmarks.peers.base import Job, Peer, found_program, missing_programs, program_version

__all__ = ["Rivet"]

FORMS = {
    "csv": {"format": "csv"},
    "parquet": {"format": "parquet", "compression": "snappy"},
    "parquet-zstd": {"format": "parquet", "compression": "zstd"},
}


class Rivet(Peer):
    """One connection, without the pauses that are its default for production."""

    name: ClassVar[str] = "rivet"
    cases: ClassVar[tuple[str, ...]] = tuple(FORMS)
    package: ClassVar[str | None] = "rivet-cli"

    def missing(self) -> str | None:
        """One program."""
        return missing_programs("rivet")

    def version(self) -> str | None:
        """As it says itself."""
        return program_version("rivet")

    def command(self, job: Job) -> list[str]:
        """Its configuration is YAML, of which JSON is a part; its report goes to standard error."""
        export = {
            "name": "peer",
            "table": f"{job.schema}.{job.table}",
            "mode": "full",
            **FORMS[job.case],
            "destination": {"type": "stdout"},
        }
        source = {"type": "postgres", "url": job.uri, "environment": "local"}
        config = Path(job.scratch) / "rivet.yaml"
        config.write_text(json.dumps({"source": source, "exports": [export]}))
        run = shlex.join([found_program("rivet") or "rivet", "run", "--config", str(config)])
        return ["sh", "-c", f"exec {run} > {shlex.quote(job.path)}"]
