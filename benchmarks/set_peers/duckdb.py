"""DuckDB: ``COPY … PER_THREAD_OUTPUT``, with the setting that its guide advises for large exports."""

from __future__ import annotations

import sys
from typing import ClassVar

from benchmarks.peers.duckdb import DuckDB
from benchmarks.set_peers.base import SetJob, SetPeer

__all__ = ["DuckDBSet"]


class DuckDBSet(SetPeer):
    """A file a thread."""

    name: ClassVar[str] = "DuckDB, a file a thread"
    ours: ClassVar[tuple[str, ...]] = ("-f", "parquet", "--part-size", "64MiB")

    def missing(self) -> str | None:
        """The same as for one file."""
        return DuckDB().missing()

    def command(self, job: SetJob) -> list[str]:
        """One statement."""
        copy = f"COPY pg.public.{job.table} TO '{job.folder}' (FORMAT parquet, PER_THREAD_OUTPUT, OVERWRITE_OR_IGNORE)"
        code = (
            "import duckdb\nfrom benchmarks.peers.duckdb import load_statement\n"
            "with duckdb.connect() as connection:\n"
            "    connection.execute(load_statement())\n"
            "    connection.execute('SET preserve_insertion_order = false')\n"
            "    connection.execute(\"ATTACH '' AS pg (TYPE postgres, READ_ONLY)\")\n"
            f"    connection.execute({copy!r})\n"
        )
        return [sys.executable, "-c", code]
