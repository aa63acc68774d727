"""polars with the driver that it names in its manual."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.peers.base import Client

__all__ = ["WRITERS", "Polars"]

WRITERS = ("csv", "ndjson", "parquet", "parquet-zstd")


class Polars(Client):
    """A frame in memory."""

    name: ClassVar[str] = "polars (ADBC)"
    cases: ClassVar[tuple[str, ...]] = WRITERS
    package: ClassVar[str | None] = "polars"
    home: ClassVar[str] = "frames"
    modules: ClassVar[tuple[str, ...]] = ("polars", "adbc_driver_postgresql", "pyarrow")
    program: ClassVar[str] = "polars"
