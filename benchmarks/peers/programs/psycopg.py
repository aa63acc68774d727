"""psycopg's ``cursor.copy``, and its rows for the writers of workbooks."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from benchmarks.peers.programs.job import given_job, table_of

FETCHED = 10_000
"""Rows that are read at a time."""


def write() -> None:
    """One COPY."""
    import psycopg

    job = given_job()
    statement = f"COPY (SELECT * FROM {table_of(job)}) TO STDOUT (FORMAT csv, HEADER)"
    with (
        psycopg.connect(job.uri) as connection,
        connection.cursor().copy(statement.encode()) as copy,
        open(job.path, "wb") as file,  # noqa: PTH123 - pathlib is one more import
    ):
        file.writelines(copy)


def plain_rows(job: SimpleNamespace) -> Iterator[list[Any]]:
    """The names of the columns, then the rows: documents as text, and times without a zone, since cells have none."""
    import psycopg

    with psycopg.connect(job.uri) as connection, connection.cursor(name="peer") as cursor:
        cursor.execute(f"SELECT * FROM {table_of(job)}".encode())
        yield [column.name for column in cursor.description or ()]
        while rows := cursor.fetchmany(FETCHED):
            for row in rows:
                yield [_plain(value) for value in row]


def _plain(value: Any) -> Any:
    from datetime import datetime

    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    return str(value) if isinstance(value, dict | list) else value
