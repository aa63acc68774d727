"""rustpy-xlsxwriter in its usual mode, which keeps one row in memory, with a cursor of psycopg on the server."""

from __future__ import annotations

from benchmarks.peers.programs.job import given_job
from benchmarks.peers.programs.psycopg import plain_rows


def write() -> None:
    """One sheet of dictionaries."""
    import rustpy_xlsxwriter

    job = given_job()
    rows = plain_rows(job)
    names = next(rows)
    rustpy_xlsxwriter.write_worksheet((dict(zip(names, row, strict=True)) for row in rows), job.path)
