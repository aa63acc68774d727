"""Databases that are not UTF8: LATIN1 is converted by the server, SQL_ASCII holds any bytes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

from polyglot_export import (
    ConnectionFailed,
    SpecError,
    StatementFailed,
    UnknownDataset,
    UnsupportedValue,
)
from polyglot_export.access.catalog import list_datasets
from polyglot_export.access.schema import ExposedTables
from polyglot_export.postgres.connect import connect
from tests.fixtures.server import Database
from tests.library.helpers import copied, exported, ndjson


@contextmanager
def encoded(server: Database, encoding: str, client: str = "UTF8") -> Iterator[tuple[str, psycopg.Connection]]:
    """A database in another encoding."""
    name = sql.Identifier(f"polyglot_{secrets.token_hex(6)}")
    provider = sql.SQL(" LOCALE_PROVIDER libc" if server.version >= 150000 else "")
    with psycopg.connect(server.admin_dsn, autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LOCALE 'C'{}").format(
                name, sql.Literal(encoding), provider
            )
        )
        dsn = server.dsn(name.as_string().strip('"'))
        try:
            with psycopg.connect(dsn, autocommit=True, client_encoding=client) as conn:
                yield dsn, conn
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.mark.parametrize("database", ["server", "debian"])
@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252", "EUC_JP"])
def test_another_encoding(request: pytest.FixtureRequest, database: str, encoding: str) -> None:
    """Files are UTF-8 whatever the database is: text, labels, names of columns and tables, literals of a filter."""
    server = request.getfixturevalue(database)
    assert isinstance(server, Database)
    word = "日本" if encoding == "EUC_JP" else "Zoë"
    with encoded(server, encoding) as (dsn, conn):
        conn.execute(
            f"CREATE TYPE label AS ENUM ('{word}', 'x'); CREATE TABLE \"t {word}\" AS SELECT g AS id, '{word}, \"' || g AS \"{word}\","
            f" '{word}'::label AS l, ARRAY['{word}', NULL] AS a,"
            f" jsonb_build_object('{word}', '{word}') AS j, ROW('{word}')::text AS r, '{word}'::name AS n"
            f" FROM generate_series(1, 20) AS g".encode()
        )
        assert conn.execute("SHOW server_encoding").fetchone() == (encoding,)
        name = f'"t {word}"'
        assert exported(dsn, name) == copied(conn, f"SELECT * FROM {name}")
        assert exported(dsn, name, format="ndjson") == ndjson(conn, f"SELECT * FROM {name}")
        assert word.encode() in exported(dsn, name, format="xml")
        term = {"column": word, "op": "=", "value": f'{word}, "7'}
        assert exported(dsn, name, filter=[term], columns=["id"]) == b"id\n7\n"


def test_every_character_of_latin1(server: Database) -> None:
    """Also the control characters from 0x80 to 0x9f."""
    with encoded(server, "LATIN1") as (dsn, conn):
        conn.execute("CREATE TABLE t AS SELECT g AS id, chr(g) AS c FROM generate_series(1, 255) AS g")
        assert exported(dsn, "t") == copied(conn, "SELECT * FROM t")
        assert exported(dsn, "t", format="ndjson") == ndjson(conn, "SELECT * FROM t")


@pytest.mark.parametrize("database", ["server", "debian"])
def test_sql_ascii(request: pytest.FixtureRequest, database: str) -> None:
    """Bytes that are UTF-8 pass; others are an error that names row and column, except in csv, which passes them on.

    Asked for UTF8, the server refuses such a row and names nothing; workers ask for the bytes as they are stored.
    """
    server = request.getfixturevalue(database)
    assert isinstance(server, Database)
    with encoded(server, "SQL_ASCII") as (dsn, conn):
        conn.execute(
            "CREATE TABLE good AS SELECT g AS id, 'Zoë 😀 ' || g AS t FROM generate_series(1, 5) AS g".encode()
        )
        assert exported(dsn, "good") == copied(conn, "SELECT * FROM good")
        assert exported(dsn, "good", format="ndjson") == ndjson(conn, "SELECT * FROM good")
        conn.execute(
            r"CREATE TABLE bad AS SELECT g AS id, CASE WHEN g = 4 THEN E'caf\xe9' ELSE 'x' END AS t, ARRAY[CASE WHEN g = 5 THEN"
            r" E'\xff' END] AS a FROM generate_series(1, 5) AS g"
        )
        with pytest.raises(psycopg.errors.CharacterNotInRepertoire):
            copied(conn, "SELECT * FROM bad")
        expected = _as_stored(dsn, "SELECT * FROM bad")
        assert b"caf\xe9" in expected
        assert exported(dsn, "bad") == expected
        for format_ in ("json", "ndjson", "xml", "parquet"):
            for column, row in (("t", 4), ("a", 5)):
                with pytest.raises(UnsupportedValue) as caught:
                    exported(dsn, "bad", format=format_, columns=["id", column])
                assert (caught.value.row, caught.value.column) == (row, column), format_


def _as_stored(dsn: str, query: str) -> bytes:
    with (
        psycopg.connect(dsn, autocommit=True, client_encoding="SQL_ASCII") as conn,
        conn.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)".encode()) as copy,
    ):
        return b"".join(bytes(part) for part in copy)


def test_names_of_broken_bytes(server: Database) -> None:
    """Only SQL_ASCII can have names that are not UTF-8. They are named, and nothing else is lost by them."""
    with encoded(server, "SQL_ASCII") as (dsn, conn):
        conn.execute("SET client_encoding = 'SQL_ASCII'")
        conn.execute(
            b"CREATE TABLE named (id int, \"caf\xe9\" int); INSERT INTO named VALUES (1, 2); CREATE TYPE label AS ENUM ('\xff');"
            b" CREATE TABLE labelled AS SELECT '\xff'::label AS l; CREATE TABLE \"b\xe9d\" (id int);"
            b" CREATE TYPE \"\xe9num\" AS ENUM ('x'); CREATE TABLE typed AS SELECT 'x'::\"\xe9num\" AS l;"
            b' CREATE SCHEMA "s\xe9"; CREATE TABLE "s\xe9".hidden (id int);'
            b" CREATE TABLE parent (id int) PARTITION BY RANGE (id);"
            b' CREATE TABLE "p\xe9" PARTITION OF parent FOR VALUES FROM (0) TO (9)'
        )
        with connect(dsn, application_name="polyglot test") as connection:
            found = {each.name: each for each in list_datasets(connection, ExposedTables("public"))}
        assert found.keys() == {"named", "labelled", "typed", "parent"}
        assert [column.name for column in found["named"].columns] == ["id"]
        assert [column.type for column in found["typed"].columns] == ['public."\\xe9num"']
        with pytest.raises(SpecError, match=r"the name of the column caf\\xe9 is not UTF-8"):
            exported(dsn, "named")
        assert exported(dsn, "named", columns=["id"]) == b"id\n1\n"
        assert exported(dsn, "typed") == b"l\nx\n"
        with pytest.raises(UnsupportedValue) as caught:
            exported(dsn, "labelled", format="json")
        assert (caught.value.row, caught.value.column) == (1, "l")
        with pytest.raises(StatementFailed) as refused:
            exported(dsn, "parent")
        assert "a name that is not UTF-8" in (refused.value.hint or "")


@pytest.mark.parametrize("format_", ["csv", "ndjson", "parquet"])
def test_a_value_that_the_server_cannot_convert(server: Database, format_: str) -> None:
    """The server names the bytes only; the error names row and column."""
    with encoded(server, "EUC_JP") as (dsn, conn):
        conn.execute(
            "CREATE TABLE t AS SELECT g AS id, 'x' || g AS a, 'y'::text AS b FROM generate_series(1, 3000) AS g"
        )
        conn.execute("SET client_encoding = 'SQL_ASCII'")
        conn.execute(rb"INSERT INTO t VALUES (3001, 'x', E'\x8f\xa2\xb7'), (3002, E'\x8f\xa2\xb7', 'y')")
        conn.execute("CREATE VIEW sorted AS SELECT b, id FROM t ORDER BY id DESC")
        with pytest.raises(UnsupportedValue, match="no equivalent in encoding") as caught:
            exported(dsn, "t", format=format_)
        assert (caught.value.row, caught.value.column) == (3001, "b")
        with pytest.raises(UnsupportedValue) as caught:
            exported(dsn, "t", format=format_, columns=["id", "a"])
        assert (caught.value.row, caught.value.column) == (3002, "a")
        with pytest.raises(UnsupportedValue) as caught:
            exported(dsn, query="SELECT id, b FROM sorted", format=format_)
        assert (caught.value.row, caught.value.column) == (2, "b")
        # In an expression it is no value of a column.
        with pytest.raises(StatementFailed) as failed:
            exported(dsn, query=r"SELECT convert_to(b, 'UTF8') AS b FROM t ORDER BY 1", format=format_)
        assert (failed.value.row, failed.value.sqlstate) == (None, "22P05")


def test_a_name_that_the_encoding_lacks(server: Database) -> None:
    with encoded(server, "LATIN1") as (dsn, _), pytest.raises(UnknownDataset, match="there is no table or view '日本'"):
        exported(dsn, "日本")


def test_a_database_without_a_way_to_utf8(server: Database) -> None:
    with (
        encoded(server, "MULE_INTERNAL", client="SQL_ASCII") as (dsn, _),
        pytest.raises(ConnectionFailed, match="a database in MULE_INTERNAL cannot be read"),
    ):
        exported(dsn, query="SELECT 1 AS a")
