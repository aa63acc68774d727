"""rustpy-xlsxwriter: the rows of a cursor of psycopg, written by the Rust library rust_xlsxwriter."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.peers.base import Client, Job, missing_modules
from benchmarks.peers.xlsxwriter import plain_rows

__all__ = ["RustpyXlsxWriter"]


class RustpyXlsxWriter(Client):
    """Its usual mode, which keeps one row in memory."""

    name: ClassVar[str] = "rustpy-xlsxwriter"
    cases: ClassVar[tuple[str, ...]] = ("xlsx",)
    package: ClassVar[str | None] = "rustpy-xlsxwriter"

    def missing(self) -> str | None:
        """Two packages."""
        return missing_modules("rustpy_xlsxwriter", "psycopg")

    def run(self, job: Job) -> None:
        """One sheet of dictionaries."""
        import rustpy_xlsxwriter

        rows = plain_rows(job)
        names = next(rows)
        rustpy_xlsxwriter.write_worksheet((dict(zip(names, row, strict=True)) for row in rows), job.path)
