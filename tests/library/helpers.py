"""What the server itself says: the expected bytes of an export, and exports in one call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from polyglot_export import export

__all__ = ["as_role", "copied", "exported", "exported_rows", "filled", "json_rows", "ndjson", "new_role", "rows_of"]

PAGE_ROWS = 20
"""Rows of :func:`filled` on a heap page, about: wide rows make many pages of few rows."""


_SETTINGS = b"""
SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, MDY'; SET LOCAL IntervalStyle = postgres; SET LOCAL client_encoding = 'UTF8';
SET LOCAL synchronize_seqscans = off; SET LOCAL max_parallel_workers_per_gather = 0
"""
"""Those of an export; the last two for the order of rows."""


def copied(conn: psycopg.Connection, query: str, options: str = "HEADER") -> bytes:
    """What ``COPY (query) TO STDOUT (FORMAT csv, …)`` sends, under the session settings of an export."""
    with conn.transaction(force_rollback=True):
        conn.execute(_SETTINGS)
        with conn.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT csv, {options})".encode()) as copy:
            return b"".join(bytes(part) for part in copy)


def ndjson(conn: psycopg.Connection, query: str) -> bytes:
    """Each row as ``row_to_json`` writes it, a line each."""
    with conn.transaction(force_rollback=True):
        conn.execute(_SETTINGS)
        rows = conn.execute(
            f"SELECT row_to_json(the_oracles_row)::text FROM ({query}) AS the_oracles_row".encode()
        ).fetchall()
    return "".join(row[0].replace("\n", " ").replace("\r", " ") + "\n" for row in rows).encode()


def exported(dsn: Any, source: Any = None, **what: Any) -> bytes:
    """The whole export."""
    with export(dsn, source, **what) as chunks:
        return b"".join(chunks)


def exported_rows(dsn: Any, source: Any = None, **what: Any) -> list[dict[str, Any]]:
    """The whole export, parsed from NDJSON."""
    return rows_of(exported(dsn, source, format="ndjson", **what))


def rows_of(lines: bytes) -> list[dict[str, Any]]:
    """NDJSON, parsed."""
    return [json.loads(line) for line in lines.splitlines()]


def json_rows(conn: psycopg.Connection, query: str) -> list[dict[str, Any]]:
    """The rows of a query as row_to_json gives them, parsed."""
    return rows_of(ndjson(conn, query))


def filled(conn: psycopg.Connection, name: str, pages: int, *, first: int = 1) -> int:
    """Make a table ``name(id int primary key, pad text)`` of about so many heap pages; returns its number of rows."""
    rows = pages * PAGE_ROWS
    table = sql.Identifier(name)
    conn.execute(sql.SQL("CREATE TABLE {} (id int PRIMARY KEY, pad text)").format(table))
    # EXTERNAL and incompressible would go to TOAST; 350 bytes stay on the page.
    conn.execute(
        sql.SQL("INSERT INTO {} SELECT g, repeat('x', 350) || g FROM generate_series({}::int, {}::int) AS g").format(
            table, first, first + rows - 1
        )
    )
    return rows


@contextmanager
def new_role(conn: psycopg.Connection, name: str, attributes: str = "") -> Iterator[str]:
    """A login that exists as long as the block; its name gets the database's in front, since roles are the whole
    server's.
    """
    role = f"{conn.info.dbname}_{name}"
    conn.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret' {attributes}".encode())
    try:
        yield role
    finally:
        conn.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def as_role(dsn: str, role: str) -> str:
    """The DSN of another login on the same database."""
    return psycopg.conninfo.make_conninfo(dsn, user=role, password="secret")
