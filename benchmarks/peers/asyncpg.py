"""asyncpg: the server's own CSV, passed through."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.peers.base import Client

__all__ = ["Asyncpg"]


class Asyncpg(Client):
    """``copy_from_query``."""

    name: ClassVar[str] = "asyncpg COPY"
    cases: ClassVar[tuple[str, ...]] = ("csv",)
    package: ClassVar[str | None] = "asyncpg"
    home: ClassVar[str] = "frames"
    modules: ClassVar[tuple[str, ...]] = ("asyncpg",)
    program: ClassVar[str] = "asyncpg"
