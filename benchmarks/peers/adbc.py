"""ADBC's PostgreSQL driver with pyarrow."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.peers.base import Client

__all__ = ["Adbc"]


class Adbc(Client):
    """Record batches as they arrive."""

    name: ClassVar[str] = "ADBC + pyarrow"
    cases: ClassVar[tuple[str, ...]] = ("csv", "parquet", "parquet-zstd")
    package: ClassVar[str | None] = "adbc-driver-postgresql"
    home: ClassVar[str] = "frames"
    modules: ClassVar[tuple[str, ...]] = ("adbc_driver_postgresql", "pyarrow")
    program: ClassVar[str] = "adbc"
