"""DuckDB with its postgres extension, which is a download unless a package has it."""

from __future__ import annotations

import subprocess
from typing import ClassVar

from benchmarks.peers.base import CHECK_SECONDS, Client

__all__ = ["DuckDB", "DuckDB2", "DuckDBUnordered"]


class DuckDB(Client):
    """As installed: rows keep the order in which they were read."""

    name: ClassVar[str] = "DuckDB"
    cases: ClassVar[tuple[str, ...]] = (
        "csv", "json", "ndjson", "parquet", "parquet-zstd", "csv.gz", "csv.zst", "xlsx",
    )  # fmt: skip
    package: ClassVar[str | None] = "duckdb"
    home: ClassVar[str] = "duckdb"
    modules: ClassVar[tuple[str, ...]] = ("duckdb",)
    program: ClassVar[str] = "duckdb"

    def missing(self) -> str | None:
        """Its extensions have to be of its own version."""
        absent = super().missing()
        if absent is not None:
            return absent
        tried = subprocess.run(
            self.python("load_all()"), capture_output=True, check=False, text=True, timeout=CHECK_SECONDS
        )
        if tried.returncode == 0:
            return None
        told = next((line for line in tried.stderr.splitlines() if "Error: " in line), "Error: unknown")
        # Where it would have been downloaded from is no part of the reason.
        reason = told.partition("Error: ")[2].partition(" at URL")[0].strip()
        return f"DuckDB {self.version()} lacks an extension here ({reason})"


class DuckDBUnordered(DuckDB):
    """The setting that its guide advises for large exports."""

    name: ClassVar[str] = "DuckDB, unordered"
    call: ClassVar[str] = "write(ordered=False)"


class DuckDB2(DuckDBUnordered):
    """The newest version, whose extensions no package index has."""

    name: ClassVar[str] = "DuckDB 2, unordered"
    home: ClassVar[str] = "duckdb2"
