"""The tables with every type, on each server, once a session."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.fixtures.server import Database
from tests.types.catalogue import Catalogue, build

STATISTICS = """
CREATE TABLE correlated AS SELECT g % 7 AS a, g % 14 AS b FROM generate_series(1, 500) AS g;
CREATE STATISTICS of_them ON a, b FROM correlated; ANALYZE correlated
"""
"""Extended statistics, for the types that only they have values of."""


def _catalogue(server: Database) -> Iterator[Catalogue]:
    with server.database() as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(STATISTICS)
            found = build(connection, dsn)
        yield found


@pytest.fixture(scope="session")
def newest(server: Database) -> Iterator[Catalogue]:
    """On the embedded server (or the one that was given)."""
    yield from _catalogue(server)


@pytest.fixture(scope="session")
def older(debian: Database) -> Iterator[Catalogue]:
    """On Debian's."""
    yield from _catalogue(debian)


@pytest.fixture(params=["newest", "older"])
def catalogue(request: pytest.FixtureRequest) -> Catalogue:
    """Each of them in turn."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Catalogue)
    return found
