"""XlsxWriter in its mode for large files, which keeps one row in memory, with a cursor of psycopg on the server."""

from __future__ import annotations

from benchmarks.peers.programs.job import given_job
from benchmarks.peers.programs.psycopg import plain_rows


def write() -> None:
    """Cell by cell, in one sheet."""
    from xlsxwriter import Workbook

    job = given_job()
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with Workbook(job.path, options) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(plain_rows(job)):
            sheet.write_row(number, 0, row)
