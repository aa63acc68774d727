"""psycopg: the server's own CSV, passed through."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.peers.base import Client

__all__ = ["Psycopg"]


class Psycopg(Client):
    """``cursor.copy``."""

    name: ClassVar[str] = "psycopg COPY"
    cases: ClassVar[tuple[str, ...]] = ("csv",)
    package: ClassVar[str | None] = "psycopg"
    home: ClassVar[str] = "frames"
    modules: ClassVar[tuple[str, ...]] = ("psycopg",)
    program: ClassVar[str] = "psycopg"
