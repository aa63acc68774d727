"""Fixtures of the faults' tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.fixtures.process import Service, serve

CONFIG = """
[datasets.records]
table = "public.records"
[datasets.long]
table = "public.long"
[datasets.slow]
table = "public.slow"
[datasets.frames]
table = "public.frames"
"""
FRAME_TEXT_BYTES = 1013
"""Bytes of text in each row of ``frames``, so that what stands before it on the wire is always the same."""
ROWS = 400_000
"""Rows of ``records``: about 40 MB of csv, more than an export holds for a client that does not read."""
LONG_ROWS = 50_000
"""Rows of ``long``, 24 a page: two segments and some pages of a third."""


def fill(dsn: str, rows: int = ROWS) -> None:
    """Make the table that the downloads read."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE records (id bigint PRIMARY KEY, name text, value numeric(18,4))")
        connection.execute(
            "INSERT INTO records SELECT n, repeat('name ' || n || ' ', 6), n * 1.25 FROM generate_series(1, %s) AS n",
            [rows],
        )
        # PostgreSQL keeps 57 bytes of each text, so that a segment has 73 MB: its backend cannot have sent it all while
        # nobody reads.
        connection.execute("CREATE TABLE long (id bigint, name text) WITH (fillfactor = 30)")
        connection.execute(
            "INSERT INTO long SELECT n, repeat('name ' || n || ' ', 280) FROM generate_series(1, %s) AS n", [LONG_ROWS]
        )
        connection.execute("CREATE VIEW slow AS SELECT n, pg_sleep(30)::text AS pause FROM generate_series(1, 3) AS n")
        connection.execute("CREATE TABLE frames (filler text)")
        # A segment is 1,000 pages of 7 rows: each has one marked row, far from its end.
        connection.execute(
            "INSERT INTO frames SELECT rpad(CASE n %% 7000 WHEN 3000 THEN 'marked' ELSE '' END, %s, 'x') FROM generate_series(1, 60000) AS n",
            [FRAME_TEXT_BYTES],
        )
        connection.execute("ANALYZE")


@contextmanager
def serving(dsn: str, **settings: Any) -> Iterator[Service]:
    """A service that offers the tables and the view of :func:`fill`."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "polyglot.toml"
        config.write_text(CONFIG)
        with serve(dsn, config=config, **{"workers": 2, **settings}) as running:
            yield running


@pytest.fixture(scope="module")
def records(module_dsn: str) -> str:
    """A database with a large table and a slow view; gives its DSN."""
    fill(module_dsn)
    return module_dsn


@pytest.fixture(scope="module")
def service(records: str) -> Iterator[Service]:
    """A service on that database, shared by the tests of a module."""
    with serving(records) as running:
        yield running
