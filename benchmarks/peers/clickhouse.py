"""ClickHouse inside the process (chdb)."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.peers.base import Client

__all__ = ["ClickHouse"]


class ClickHouse(Client):
    """With its defaults."""

    name: ClassVar[str] = "ClickHouse (chdb)"
    cases: ClassVar[tuple[str, ...]] = (
        "csv", "json", "ndjson", "xml", "parquet", "parquet-zstd", "csv.gz", "csv.zst",
    )  # fmt: skip
    package: ClassVar[str | None] = "chdb"
    home: ClassVar[str] = "chdb"
    modules: ClassVar[tuple[str, ...]] = ("chdb",)
    program: ClassVar[str] = "clickhouse"
