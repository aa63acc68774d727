"""Columns: none, one, 1,600, dropped, generated, and names of every kind."""

from __future__ import annotations

import io

import psycopg
import pyarrow.parquet as pq
import pytest

from polyglot_export import SpecError, export
from tests.library.helpers import copied, exported, ndjson
from tests.tables.conftest import Tables

MOST_COLUMNS = 1_600
"""Of a table (``MaxHeapAttributeNumber``)."""


def test_no_rows_and_one_row(both: Tables) -> None:
    both.make(
        "CREATE TABLE empty (id int, name text); CREATE TABLE one AS SELECT 1 AS id, NULL::text AS name, '' AS nothing"
    )
    both.same("empty", rows=0)
    assert exported(both.dsn, "empty", format="json") == b"[]\n"
    assert b"<records" in exported(both.dsn, "empty", format="xml")
    both.same("one", rows=1)
    assert exported(both.dsn, "one", options={"header": False}) == copied(
        both.conn, "SELECT * FROM one", "HEADER false"
    )


def test_no_columns(both: Tables) -> None:
    both.make(
        "CREATE TABLE no_columns (); INSERT INTO no_columns DEFAULT VALUES; INSERT INTO no_columns DEFAULT VALUES; CREATE TABLE gone"
        " (a int)"
    )
    both.make("INSERT INTO gone VALUES (1), (2); ALTER TABLE gone DROP a; CREATE TABLE nothing_at_all ()")
    for name, rows in (("no_columns", 2), ("gone", 2), ("nothing_at_all", 0)):
        assert both.same(name, parquet=False, rows=rows).count(b"\n") == rows + 1
        with pytest.raises(SpecError):
            exported(both.dsn, name, format="parquet")


def test_as_many_columns_as_a_table_can_have(both: Tables) -> None:
    both.make(f"CREATE TABLE wide ({', '.join(f'c{n} int' if n % 2 else f'c{n} bool' for n in range(MOST_COLUMNS))})")
    both.make(
        f"INSERT INTO wide SELECT {', '.join('g' if n % 2 else 'g % 2 = 0' for n in range(MOST_COLUMNS))} FROM generate_series(1, 50) AS g"
    )
    both.make("INSERT INTO wide DEFAULT VALUES")
    both.same("wide", rows=51)
    with export(both.dsn, "wide", format="parquet") as chunks:
        rows = pq.read_table(io.BytesIO(b"".join(chunks)))
    assert rows.num_columns == MOST_COLUMNS
    assert [tuple(row.values()) for row in rows.to_pylist()] == both.conn.execute("SELECT * FROM wide").fetchall()


def test_dropped_added_and_changed_columns(both: Tables) -> None:
    """Rows that were written before a column was added have its default in the catalogue, not in the row."""
    both.make(
        "CREATE TABLE changed AS SELECT g AS id, g * 2 AS twice, 'n' || g AS name FROM generate_series(1, 500) AS g; ALTER TABLE"
        " changed DROP twice;"
        "ALTER TABLE changed ADD since timestamptz DEFAULT '2026-01-31 12:00+00', ADD list int[] DEFAULT '{1,2}', ADD nothing text;"
        "INSERT INTO changed VALUES (501, 'new', NULL, NULL, 'x'); ALTER TABLE changed DROP name; ALTER TABLE changed ADD name"
        " numeric(5,2) DEFAULT 1.5"
    )
    both.same("changed", rows=501)


def test_generated_columns(both: Tables) -> None:
    virtual = both.conn.info.server_version >= 180000
    both.make(
        "CREATE TABLE generated (id int, pad text, stored int GENERATED ALWAYS AS (id * 2) STORED, own int GENERATED ALWAYS AS IDENTITY)"
    )
    if virtual:
        both.make(
            "ALTER TABLE generated ADD double int GENERATED ALWAYS AS (id * 3) VIRTUAL, ADD text_of text GENERATED ALWAYS AS (pad ||"
            " id) VIRTUAL"
        )
    both.make("INSERT INTO generated (id, pad) SELECT g, repeat('x', 500) FROM generate_series(1, 20000) AS g")
    found = both.same("generated", rows=20_000, workers=3)
    assert b"stored" in found.splitlines()[0]
    assert (b"text_of" in found.splitlines()[0]) is virtual


NAMES = [
    "a b", "Upper", 'q"uote', "it's", "back\\slash", "semi;--", "%s", "{}", "$1", "é", "日本語", "😀", "r", "q",
    "c1", "ctid_", "select", "table", "user", "order",
    "n" * 63, "é" * 31, "new\nline", "tab\t", ",", " ", "/*", "NULL", "*", "a.b", "\u202e", "-1", "1",
]  # fmt: skip


def test_names_of_columns(both: Tables) -> None:
    """Quotes, spaces, reserved words, 63 bytes, and those that generated SQL uses itself."""
    identifiers = [psycopg.sql.Identifier(name).as_string(both.conn) for name in NAMES]
    both.make(
        f"CREATE TABLE named ({', '.join(f'{name} inet' if at % 2 else f'{name} int' for at, name in enumerate(identifiers))})"
    )
    values = ", ".join(f"'10.0.0.{at}'" if at % 2 else str(at) for at in range(len(NAMES)))
    both.make(f"INSERT INTO named VALUES ({values}); INSERT INTO named DEFAULT VALUES")
    both.same("named", rows=2)
    some = {name: f"to {name}" for name in NAMES[::-3]}
    selected = ", ".join(
        f"{psycopg.sql.Identifier(name).as_string(both.conn)} AS {psycopg.sql.Identifier(target[:63]).as_string(both.conn)}"
        for name, target in some.items()
        if len(target.encode()) < 64
    )
    kept = {name: target for name, target in some.items() if len(target.encode()) < 64}
    assert exported(both.dsn, "named", columns=kept) == copied(both.conn, f"SELECT {selected} FROM named")
    assert exported(both.dsn, "named", columns=kept, format="ndjson") == ndjson(
        both.conn, f"SELECT {selected} FROM named"
    )
    term = {"column": "semi;--", "op": "isNotNull"}
    assert exported(both.dsn, "named", filter=[term], order_by=["%s", "select"], columns=["$1"]) == copied(
        both.conn, 'SELECT "$1" FROM named WHERE "semi;--" IS NOT NULL'
    )


def test_names_of_tables_and_schemas(both: Tables) -> None:
    for name in NAMES:
        identifier = psycopg.sql.Identifier(name).as_string(both.conn)
        both.make(
            f"CREATE SCHEMA {identifier}; CREATE TABLE {identifier}.{identifier} AS SELECT"
            f" {psycopg.sql.Literal(name).as_string(both.conn)} AS name"
        )
        qualified = f"{identifier}.{identifier}"
        assert exported(both.dsn, qualified) == copied(both.conn, f"SELECT * FROM {qualified}"), name
