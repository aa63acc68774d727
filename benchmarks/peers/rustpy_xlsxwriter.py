"""rustpy-xlsxwriter: the rows of a cursor of psycopg, written by the Rust library rust_xlsxwriter."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.peers.base import Client

__all__ = ["RustpyXlsxWriter"]


class RustpyXlsxWriter(Client):
    """Its usual mode."""

    name: ClassVar[str] = "rustpy-xlsxwriter"
    cases: ClassVar[tuple[str, ...]] = ("xlsx",)
    package: ClassVar[str | None] = "rustpy-xlsxwriter"
    home: ClassVar[str] = "frames"
    modules: ClassVar[tuple[str, ...]] = ("rustpy_xlsxwriter", "psycopg")
    program: ClassVar[str] = "rustpy_xlsxwriter"
