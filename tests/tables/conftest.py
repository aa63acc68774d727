"""One database for the tests of a module, and the comparison that all of them make."""

from __future__ import annotations

import io
from collections.abc import Iterator

import psycopg
import pyarrow.parquet as pq
import pytest

from polyglot_export import export
from tests.fixtures.server import Database
from tests.library.helpers import copied, exported, ndjson


class Tables:
    """A database with tables to export.

    Attributes:
        dsn: Its DSN.
        conn: An autocommit connection on it.
    """

    def __init__(self, dsn: str, conn: psycopg.Connection) -> None:
        self.dsn = dsn
        self.conn = conn

    def make(self, statements: str) -> None:
        """Run SQL."""
        self.conn.execute(statements.encode())

    def same(self, name: str, *, workers: int = 2, parquet: bool = True, rows: int | None = None) -> bytes:
        """All of the table, in the server's order: csv as COPY, ndjson as row_to_json, Parquet with as many rows and
        the same keys.

        Args:
            name: As SQL has it, quoted where it must be.
            workers: Of the exports.
            parquet: Whether it has a column that Parquet can hold.
            rows: How many the server must have, so that the comparison cannot be of nothing.

        Returns:
            The csv.
        """
        query = f"SELECT * FROM {name}"
        expected = copied(self.conn, query)
        found = exported(self.dsn, name, workers=workers)
        assert len(found) == len(expected)
        assert found == expected
        lines = ndjson(self.conn, query)
        assert exported(self.dsn, name, format="ndjson", workers=workers) == lines
        count = lines.count(b"\n")
        assert rows is None or count == rows
        if parquet:
            with export(
                self.dsn, name, format="parquet", workers=workers, options={"unrepresentable": "null"}
            ) as chunks:
                file = pq.ParquetFile(io.BytesIO(b"".join(chunks)))
                assert chunks.result().rows == file.metadata.num_rows == count
        return found


def _tables(database: Database) -> Iterator[Tables]:
    with database.database() as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        yield Tables(dsn, conn)


@pytest.fixture(scope="module")
def tables(server: Database) -> Iterator[Tables]:
    """On the embedded server."""
    yield from _tables(server)


@pytest.fixture(scope="module")
def debian_tables(debian: Database) -> Iterator[Tables]:
    """On Debian's."""
    yield from _tables(debian)


@pytest.fixture(scope="module", params=["server", "debian"])
def both(request: pytest.FixtureRequest) -> Iterator[Tables]:
    """On each of them in turn."""
    database = request.getfixturevalue(request.param)
    assert isinstance(database, Database)
    yield from _tables(database)
