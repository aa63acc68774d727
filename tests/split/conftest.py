"""Databases with a table of every type that has an order, and what reads it: all tests of the folder only read them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.fixtures.server import Database
from tests.split.samples import COLLATIONS, TABLES, filled_types


@contextmanager
def _filled(server: Database, *, icu: bool) -> Iterator[str]:
    with server.database() as dsn:
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute(COLLATIONS if icu else b"SELECT 1")
            conn.execute(TABLES)
            filled_types(conn, icu=icu)
            conn.execute("ANALYZE")
        yield dsn


@pytest.fixture(scope="package")
def older(debian: Database) -> Iterator[str]:
    """On PostgreSQL 15 with ICU, whose collations may take different texts for equal."""
    with _filled(debian, icu=True) as dsn:
        yield dsn


@pytest.fixture(scope="package")
def newer(server: Database) -> Iterator[str]:
    """On the server of all other tests."""
    with _filled(server, icu=False) as dsn:
        yield dsn


@pytest.fixture(params=["newer", "older"])
def samples(request: pytest.FixtureRequest) -> str:
    """Each of the two, whose plans are written differently."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def reading(older: str) -> Iterator[psycopg.Connection]:
    """A connection on the older one."""
    with psycopg.connect(older, autocommit=True) as connection:
        yield connection
