"""DuckDB: ``COPY`` into many files, with the setting that its guide advises for large exports."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.peers.duckdb import DuckDB
from benchmarks.set_peers.base import SetJob, SetPeer

__all__ = ["DuckDBPartitions", "DuckDBSet"]


class DuckDBSet(SetPeer):
    """A file a thread."""

    name: ClassVar[str] = "DuckDB, a file a thread"
    ours: ClassVar[tuple[str, ...]] = ("-f", "parquet", "--part-size", "64MiB")
    select: ClassVar[str] = "FROM pg.public.{table}"
    """What is copied."""
    layout: ClassVar[str] = "PER_THREAD_OUTPUT"

    def missing(self) -> str | None:
        """The same as for one file."""
        return DuckDB().missing()

    def command(self, job: SetJob) -> list[str]:
        """One statement."""
        select = self.select.format(table=job.table)
        return DuckDB().python(f"write_set({select!r}, {str(job.folder)!r}, {self.layout!r})")


class DuckDBPartitions(DuckDBSet):
    """A folder a day."""

    name: ClassVar[str] = "DuckDB, PARTITION_BY a day"
    ours: ClassVar[tuple[str, ...]] = ("-f", "parquet", "--partition-by", "records:created_at:day")
    select: ClassVar[str] = "SELECT *, strftime(created_at, '%Y-%m-%d') AS day FROM pg.public.{table}"
    layout: ClassVar[str] = "PARTITION_BY (day)"
