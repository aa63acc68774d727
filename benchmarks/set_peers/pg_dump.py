"""pg_dump's own parallel form, a folder of compressed COPY data that only ``pg_restore`` reads."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.peers.base import missing_programs
from benchmarks.set_peers.base import SetJob, SetPeer

__all__ = ["PgDump"]


class PgDump(SetPeer):
    """``-Fd -j2``; one table is one job of it, so that the second one has nothing to do."""

    name: ClassVar[str] = "pg_dump -Fd -j2"
    ours: ClassVar[tuple[str, ...]] = ("-f", "csv", "--compression", "gzip", "--part-size", "64MiB")

    def missing(self) -> str | None:
        """It comes with the server, or with PostgreSQL's clients."""
        return missing_programs("pg_dump")

    def command(self, job: SetJob) -> list[str]:
        """Into the folder, which must not be there."""
        own = job.programs / "pg_dump"
        program = str(own) if own.exists() else "pg_dump"
        return [program, "-Fd", "-j2", "-t", f"public.{job.table}", "-f", str(job.folder / "dump"), "-d", job.uri]

    def rows(self, job: SetJob) -> int | None:  # noqa: ARG002
        """Nobody else reads it."""
        return None
