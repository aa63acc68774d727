"""XlsxWriter in its mode for large files, which keeps one row in memory, with a cursor of psycopg on the server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from benchmarks.peers.base import Client, Job, missing_modules

__all__ = ["XlsxWriter", "plain_rows"]

FETCHED = 10_000
"""Rows that are read at a time."""


class XlsxWriter(Client):
    """``constant_memory``."""

    name: ClassVar[str] = "XlsxWriter"
    cases: ClassVar[tuple[str, ...]] = ("xlsx",)
    package: ClassVar[str | None] = "xlsxwriter"

    def missing(self) -> str | None:
        """Two packages."""
        return missing_modules("xlsxwriter", "psycopg")

    def run(self, job: Job) -> None:
        """Cell by cell, in one sheet."""
        from xlsxwriter import Workbook

        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        with Workbook(job.path, options) as book:
            sheet = book.add_worksheet()
            for number, row in enumerate(plain_rows(job)):
                sheet.write_row(number, 0, row)


def plain_rows(job: Job) -> Iterator[list[Any]]:
    """The names of the columns, then the rows: documents as text, and times without a zone, since cells have none."""
    import psycopg

    with psycopg.connect(job.uri) as connection, connection.cursor(name="peer") as cursor:
        cursor.execute(f"SELECT * FROM {job.name}".encode())
        yield [column.name for column in cursor.description or ()]
        while rows := cursor.fetchmany(FETCHED):
            for row in rows:
                yield [_plain(value) for value in row]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    return str(value) if isinstance(value, dict | list) else value
