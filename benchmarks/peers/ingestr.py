"""ingestr: from PostgreSQL into one file."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.peers.base import Job, Peer, found_program, missing_programs, program_version

__all__ = ["Ingestr"]

SCHEMES = {"csv": "csv", "parquet": "parquet"}


class Ingestr(Peer):
    """With its defaults, but for the names of columns, which stay as they are."""

    name: ClassVar[str] = "ingestr"
    cases: ClassVar[tuple[str, ...]] = tuple(SCHEMES)
    package: ClassVar[str | None] = "ingestr"

    def missing(self) -> str | None:
        """One program. From version 1 on the package is a wrapper, which downloads it when it is first called."""
        return missing_programs("ingestr")

    def version(self) -> str | None:
        """As it says itself."""
        return program_version("ingestr")

    def environment(self, job: Job) -> dict[str, str]:
        """The server, where not everybody can read its password; and the file."""
        own = {
            "SOURCE_URI": f"{job.uri}?sslmode=disable",
            "DESTINATION_URI": f"{SCHEMES[job.case]}://{job.path}",
            "PIPELINES_DIR": job.scratch,
        }
        return super().environment(job) | own

    def command(self, job: Job) -> list[str]:
        """Without questions."""
        return [
            found_program("ingestr") or "ingestr", "ingest", "--source-table", f"{job.schema}.{job.table}",
            "--dest-table", job.table, "--schema-naming", "direct", "--progress", "log", "--yes",
        ]  # fmt: skip
