"""JSON and NDJSON: the layout around the rows, options, and errors that name row and column."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from polyglot_export import UnsupportedValue, export, parse_spec
from polyglot_export.execution.opening import explain
from polyglot_export.limits import PAGES_PER_SEGMENT
from tests.fixtures.server import Database
from tests.library.helpers import copied, exported, filled, ndjson

RAW = "CREATE FUNCTION raw(bytea) RETURNS text LANGUAGE internal AS 'byteasend'"
"""Text of any bytes: what a broken client or an old version may have stored."""


@pytest.fixture(scope="module")
def shared(server: Database) -> Iterator[tuple[str, psycopg.Connection]]:
    with server.database() as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(RAW)
        conn.execute("CREATE TYPE pair AS (a int, b text)")
        yield dsn, conn


def test_the_array_around_the_rows(shared: tuple[str, psycopg.Connection]) -> None:
    dsn, conn = shared
    for rows in (0, 1, 2, 1000):
        query = f"SELECT g AS id, 'x' || g AS name FROM generate_series(1, {rows}) AS g"
        lines = ndjson(conn, query)
        assert exported(dsn, query=query, format="ndjson") == lines
        expected = b"[\n" + lines.rstrip(b"\n").replace(b"\n", b",\n") + b"\n]\n" if rows else b"[]\n"
        found = exported(dsn, query=query, format="json")
        assert found == expected
        assert len(json.loads(found)) == rows


def test_keys_are_escaped_as_values_are(shared: tuple[str, psycopg.Connection]) -> None:
    dsn, conn = shared
    conn.execute(
        """CREATE TABLE keys ("a""b" int, "c\\d" int, "e\nf" int, "é😀" int, "/" int, "\x01" int, "\x7f" int, "<" int);
        INSERT INTO keys VALUES (1, 2, 3, 4, 5, 6, 7, 8)"""
    )
    assert exported(dsn, "keys", format="ndjson") == ndjson(conn, "SELECT * FROM keys")


def test_big_numbers_as_strings(shared: tuple[str, psycopg.Connection]) -> None:
    """int8 and numeric and their arrays; everything else stays as it is."""
    dsn, conn = shared
    conn.execute(
        "CREATE DOMAIN big AS int8; CREATE TABLE numbers AS SELECT v::int8 AS i, v::int8::big AS d, (v || '.50')::numeric AS n,"
        " 'NaN'::numeric AS nan, ARRAY[v, NULL]::int8[] AS ia,"
        " '[2:3]={1.50,NaN}'::numeric[] AS na, 7::int4 AS four, 1e20::float8 AS f, '{\"a\": 12345678901234567890}'::jsonb AS j,"
        " NULL::int8 AS none"
        " FROM unnest(ARRAY['9223372036854775807', '-1', '0']) AS v"
    )
    as_text = "SELECT i::text AS i, d::text AS d, n::text AS n, nan, ia::text[] AS ia, na::text[] AS na, four, f, j, none FROM numbers"
    assert exported(dsn, "numbers", format="ndjson", options={"bigNumbers": "string"}) == ndjson(conn, as_text)
    assert exported(dsn, "numbers", format="ndjson", options={"bigNumbers": "number"}) == ndjson(
        conn, "SELECT * FROM numbers"
    )
    assert (
        exported(dsn, "numbers", format="json", options={"bigNumbers": "string"}).count(b'"9223372036854775807"') == 3
    )


def test_numbers_keep_every_digit_for_a_reader_that_does(shared: tuple[str, psycopg.Connection]) -> None:
    dsn, conn = shared
    query = "SELECT 1.500::numeric AS a, 9007199254740993::int8 AS b, 1e30::numeric AS c, 1e23::float8::text AS d"
    (row,) = conn.execute(query.encode()).fetchall()
    found = json.loads(
        exported(dsn, query=query.replace("::text", ""), format="ndjson"), parse_float=str, parse_int=str
    )
    assert [found["a"], found["b"], found["c"], found["d"]] == [str(row[0]), str(row[1]), f"{row[2]:f}", row[3]]


@pytest.mark.parametrize("format_", ["json", "ndjson", "xml", "parquet"])
def test_text_that_is_not_utf8_names_row_and_column(shared: tuple[str, psycopg.Connection], format_: str) -> None:
    """In a column of text, within an array, in a name, and within a composite, which goes by text."""
    dsn, conn = shared
    columns = {
        "plain": "raw('\\x61ff')",
        "listed": "ARRAY['a', raw('\\xc3')]",
        "named": "raw('\\xf5')::name",
        "pair": "ROW(1, raw('\\xe9'))::pair",
    }
    for name, value in columns.items():
        conn.execute(
            f"CREATE TABLE broken AS SELECT g AS id, CASE WHEN g = 3 THEN {value} END AS {name} FROM generate_series(1, 5) AS g".encode()
        )
        with pytest.raises(UnsupportedValue) as caught:
            exported(dsn, "broken", format=format_)
        assert (caught.value.row, caught.value.column) == (3, name)
        assert "UTF-8" in caught.value.message
        assert exported(dsn, "broken") == copied(conn, "SELECT * FROM broken")
        conn.execute("DROP TABLE broken")


FORMATS: dict[str, dict[str, Any]] = {"json": {}, "ndjson": {"compression": "gzip"}, "parquet": {}, "xml": {}}


@pytest.fixture(scope="module")
def long_table(shared: tuple[str, psycopg.Connection]) -> tuple[str, int, int]:
    """Several segments; text that no format but csv can hold, in the third and in the last one."""
    dsn, conn = shared
    rows = filled(conn, "long", 4 * PAGES_PER_SEGMENT + 50)
    first, last = rows // 2 + 10, rows - 3
    conn.execute(
        f"ALTER TABLE long ALTER pad SET STORAGE PLAIN; UPDATE long SET pad = raw('\\xff') || repeat('x', 300) WHERE id IN ({first},"
        f" {last})".encode()
    )
    # An update moves rows: where they are now is asked of the server.
    positions = conn.execute(
        "SELECT n FROM (SELECT row_number() OVER (ORDER BY ctid) AS n, id FROM long) AS x WHERE id = ANY (%s) ORDER BY n",
        [[first, last]],
    ).fetchall()
    (one,), (two,) = positions
    plan = explain(parse_spec({"format": "json", "dataset": "long"}), dsn=dsn)
    assert plan.scans[0].pages is not None
    assert plan.segments > 4
    return dsn, one, two


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("workers", [1, 4])
def test_an_error_in_a_late_segment_names_its_row(long_table: tuple[str, int, int], format_: str, workers: int) -> None:
    """Counted over the whole file, and the first of two, however many workers are ahead."""
    dsn, first, _ = long_table
    with (
        pytest.raises(UnsupportedValue) as caught,
        export(dsn, "long", format=format_, workers=workers, **FORMATS[format_]) as chunks,
    ):
        for _ in chunks:
            pass
    assert (caught.value.row, caught.value.column) == (first, "pad")
