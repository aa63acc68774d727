"""Random schemas and rows: csv and ndjson equal the server's bytes, Parquet equals the driver's values.

``HYPOTHESIS_PROFILE=slow`` makes a thousand tables instead of thirty.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from polyglot_export import export
from tests.fixtures.server import Database
from tests.library.helpers import copied, exported, ndjson
from tests.types.catalogue import Catalogue, Column, quoted, read_types
from tests.types.parquet_oracle import canonical, expected_column
from tests.types.random_values import RandomTable, tables
from tests.types.values import literal

SCHEMA = "random"


@pytest.fixture(scope="module", params=["server", "debian"])
def shared(request: pytest.FixtureRequest) -> Iterator[psycopg.Connection]:
    """One database for all examples of a server; each makes a schema and drops it."""
    database = request.getfixturevalue(request.param)
    assert isinstance(database, Database)
    with database.database() as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        yield conn


@given(example=tables())
def test_a_random_table_is_what_the_server_says(
    shared: psycopg.Connection, shared_dsn: str, example: RandomTable
) -> None:
    with _made(shared, example) as name:
        assert exported(shared_dsn, name) == copied(shared, f"SELECT * FROM {name}")
        assert exported(shared_dsn, name, format="ndjson") == ndjson(shared, f"SELECT * FROM {name}")


@given(example=tables())
def test_a_random_table_in_parquet_is_what_a_driver_returns(
    shared: psycopg.Connection, shared_dsn: str, example: RandomTable
) -> None:
    with _made(shared, example) as name:
        catalogue = Catalogue(shared_dsn, shared.info.server_version, read_types(shared))
        expected = [
            (column.name, expected_column(shared, catalogue, name, column))
            for column in _columns(shared, catalogue, name)
        ]
        with export(shared_dsn, name, format="parquet", order_by=["id"], options={"unrepresentable": "null"}) as chunks:
            file = pq.read_table(io.BytesIO(b"".join(chunks)))
            assert dict(chunks.result().losses) == {column: each.losses for column, each in expected if each.losses}
        assert file.num_rows == len(example.rows)
        assert [(field.name, field.type) for field in file.schema] == [
            (column, each.arrow) for column, each in expected
        ]
        for column, each in expected:
            assert list(map(repr, canonical(file[column], each.arrow))) == list(map(repr, each.values)), column


@pytest.fixture(scope="module")
def shared_dsn(shared: psycopg.Connection) -> str:
    """Of the same database; psycopg leaves the password out of what it tells."""
    return psycopg.conninfo.make_conninfo(shared.info.dsn, password=shared.info.password)


@contextmanager
def _made(conn: psycopg.Connection, example: RandomTable) -> Iterator[str]:
    """The table of an example, for the time of the block."""
    name = f"{SCHEMA}.t"
    types = [kind.sql.replace("{}", SCHEMA) for _, kind in example.columns]
    columns = [
        "id int",
        *(f"{quoted(column)} {type_}" for (column, _), type_ in zip(example.columns, types, strict=True)),
    ]
    statements = [f"CREATE SCHEMA {SCHEMA};", *(kind.define.replace("{}", SCHEMA) for _, kind in example.columns)]
    statements.append(f"CREATE TABLE {name} ({', '.join(columns)});")
    for at, row in enumerate(example.rows):
        cells = [
            f"{literal(value)}::{type_}" if value is not None else "NULL"
            for value, type_ in zip(row, types, strict=True)
        ]
        statements.append(f"INSERT INTO {name} VALUES ({', '.join([str(at), *cells])});")
    try:
        conn.execute(" ".join(statements).encode())
        yield name
    finally:
        conn.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE".encode())


def _columns(conn: psycopg.Connection, catalogue: Catalogue, name: str) -> list[Column]:
    rows = conn.execute(
        "SELECT attname, atttypid, atttypmod FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
        [name],
    ).fetchall()
    return [Column(column, catalogue.types[type_], modifier, ()) for column, type_, modifier in rows]
