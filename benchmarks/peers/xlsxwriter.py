"""XlsxWriter behind psycopg."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.peers.base import Client

__all__ = ["XlsxWriter"]


class XlsxWriter(Client):
    """``constant_memory``."""

    name: ClassVar[str] = "XlsxWriter"
    cases: ClassVar[tuple[str, ...]] = ("xlsx",)
    package: ClassVar[str | None] = "xlsxwriter"
    home: ClassVar[str] = "frames"
    modules: ClassVar[tuple[str, ...]] = ("xlsxwriter", "psycopg")
    program: ClassVar[str] = "xlsxwriter"
