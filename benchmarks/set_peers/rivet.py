"""rivet: its chunked mode, the one that reads in parallel. It has no snapshot that its readers share."""

from __future__ import annotations

import json
from typing import ClassVar

from benchmarks.peers.base import found_program, missing_programs
from benchmarks.set_peers.base import SetJob, SetPeer

__all__ = ["Rivet"]

READERS = 2


class Rivet(SetPeer):
    """Ranges of the primary key, read by two connections, without the pauses that are its default for production."""

    name: ClassVar[str] = "rivet, chunked"
    ours: ClassVar[tuple[str, ...]] = ("-f", "parquet", "-O", "compression=zstd", "--part-size", "64MiB")

    def missing(self) -> str | None:
        """One program."""
        return missing_programs("rivet")

    def command(self, job: SetJob) -> list[str]:
        """Its configuration is YAML, of which JSON is a part."""
        export = {
            "name": job.table,
            "table": f"public.{job.table}",
            "mode": "chunked",
            "chunk_column": "id",
            "chunk_size": max(1, job.rows // 8),
            "parallel": READERS,
            "format": "parquet",
            "destination": {"type": "local", "path": str(job.folder)},
        }
        source = {"type": "postgres", "url": job.uri, "environment": "local"}
        config = job.scratch / "rivet.yaml"
        config.write_text(json.dumps({"source": source, "exports": [export]}))
        return [found_program("rivet") or "rivet", "run", "--config", str(config)]
