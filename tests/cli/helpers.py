"""What the tests of the command line share: a small table, the server's own answer, and waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import psycopg

ITEMS = """
CREATE TABLE items (id int PRIMARY KEY, name text, value numeric(10,2), note text);
INSERT INTO items
SELECT g, CASE g % 4 WHEN 0 THEN 'plain' WHEN 1 THEN 'a,b' WHEN 2 THEN 'say "hi"' ELSE E'two\\nlines' END, g * 1.25,
       CASE WHEN g % 3 = 0 THEN NULL WHEN g % 3 = 1 THEN '' ELSE 'Zoë' END
FROM generate_series(1, 1000) g;
"""

ENDLESS = "SELECT g, pg_sleep(0.001)::text AS pause, repeat('x', 2000) AS filler FROM generate_series(1, 1000000) g"
"""A query that goes on for an hour and has rows all the while."""

SILENT = "SELECT pg_sleep(3600)::text AS pause"
"""A query that goes on for an hour and has no row."""

GONE_SECONDS = 10.0
"""Ceiling of the time in which a query that was given up ends in the server: it takes a moment, and by itself the query
goes on for an hour."""


def copied(conn: psycopg.Connection, query: str, options: str = "FORMAT csv, HEADER") -> bytes:
    """What the server itself writes for a query."""
    conn.execute("SET TimeZone = 'UTC'")
    with conn.cursor().copy(f"COPY ({query}) TO STDOUT ({options})") as copy:
        return b"".join(copy)


def json_rows(conn: psycopg.Connection, query: str) -> list[bytes]:
    """Each row as ``row_to_json`` writes it."""
    rows = conn.execute(f"SELECT row_to_json(the_row_)::text FROM ({query}) AS the_row_").fetchall()
    return [row[0].encode() for row in rows]


def succeeded(done: CompletedProcess[bytes]) -> bytes:
    """Standard output of a command that had to end with 0."""
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def complaint(done: CompletedProcess[bytes], code: int) -> str:
    """The one line on standard error of a command that had to end with this code and no output."""
    assert done.returncode == code, (done.returncode, done.stderr.decode())
    assert done.stdout == b""
    text = done.stderr.decode()
    assert text.startswith("polyglot: "), text
    assert text.endswith("\n"), text
    assert text.count("\n") == 1, text
    return text.removeprefix("polyglot: ").rstrip("\n")


def names(folder: Path) -> list[str]:
    """Everything in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


def wait_until(what: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something holds; a test fails when it does not in time."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain"
        time.sleep(0.02)


def active(conn: psycopg.Connection) -> list[str]:
    """The statements that other sessions of this database run now."""
    rows = conn.execute(
        "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()"
        " AND backend_type <> 'autovacuum worker'"
    ).fetchall()
    return [row[0] for row in rows]


def waits_for_a_lock(conn: psycopg.Connection) -> bool:
    """True while a session of this database waits for another one's lock. The server shows only the first 1,024 bytes
    of what it runs, and LOCK stands behind all settings of an export.
    """
    row = conn.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ).fetchone()
    return row is not None and row[0] > 0


def is_copying(conn: psycopg.Connection) -> bool:
    """True while a worker reads."""
    return any("COPY" in query for query in active(conn))
