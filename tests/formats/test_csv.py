"""CSV: every option against COPY's own, and ours against what they promise."""

from __future__ import annotations

import csv
import io
import itertools
import random
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from polyglot_export import SpecError
from tests.fixtures.server import Database
from tests.library.helpers import copied, exported

FILL = r"""
CREATE TABLE t (i int, "a,b" text, "q""q" text, f float8, n numeric, b bool, d timestamptz, "id 1" bytea,
  j jsonb, arr text[], u uuid, iv interval);
INSERT INTO t VALUES
 (1, 'plain', 'x', 1.5, 10.50, true, '2026-01-31 12:00:00.5+00', '\x00ff', '{"a": [1, "x"]}', '{a,"b c",NULL}',
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '1 day'),
 (-1, '', 'NULL', 'NaN', 'NaN', false, 'infinity', '', 'null', '{}', NULL, '-1 mons'),
 (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
 (0, E'a"b\'c\\d', E'x\ny\r\nz\rw', '-0', 1e30, NULL, '0044-03-15 00:00+00 BC', '\x22', '"\"|;"', E'{"\\"",";|\t"}', NULL, '01:02:03'),
 (2147483647, '\.', '\N', 1e23, -0.001, true, '2026-01-31 12:00+00', '\x5c2e', '1', '{1}', NULL, '0'),
 (11, '1', 't', 1, 1, true, NULL, NULL, 'true', '{t}', NULL, NULL),
 (7, ' x ', 'é😀', 0.1, 5, false, NULL, '\x31', '[]', '{x}', NULL, NULL)
"""


@pytest.fixture(scope="module")
def table(server: Database) -> Iterator[tuple[str, psycopg.Connection]]:
    with server.database() as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(FILL)
        yield dsn, conn


DELIMITERS = (",", ";", "\t", "|", ".", "-", "1", "t", ":", " ", "\\", "'", "e", "}")
QUOTES = ('"', "'", "|", "1", "\\", "a", "-")
ESCAPES = (None, "\\", '"', "x", "1", ",")
NULLS = ("", "NULL", "1", "t", "NaN", "-1", "x", "\\N", "a,b", 'q"q', "0")
FORCED: tuple[Any, ...] = ((), "*", ("i", "arr"))
SAMPLED = 40


def _combinations() -> list[tuple[Any, ...]]:
    """Each option alone, and a fixed sample of all together."""
    first = (DELIMITERS[0], QUOTES[0], ESCAPES[0], NULLS[0], FORCED[0], True)
    every = (DELIMITERS, QUOTES, ESCAPES, NULLS, FORCED, (True, False))
    alone = [(*first[:at], value, *first[at + 1 :]) for at, values in enumerate(every) for value in values]
    return list(dict.fromkeys(alone + random.Random(7).sample(list(itertools.product(*every)), SAMPLED)))


def test_options_are_those_of_copy(table: tuple[str, psycopg.Connection]) -> None:
    """Also what is refused: a combination that COPY does not take is an error here, and no other is."""
    dsn, conn = table
    taken = 0
    for delimiter, quote, escape, null, forced, header in _combinations():
        options = {
            "delimiter": delimiter,
            "quote": quote,
            "null": null,
            "forceQuote": list(forced) if forced != "*" else "*",
            "header": header,
        }
        if escape is not None:
            options["escape"] = escape
        try:
            expected = copied(conn, "SELECT * FROM t", _copy_options(conn, options))
        except psycopg.Error:
            with pytest.raises(SpecError):
                exported(dsn, "t", options=options)
            continue
        assert exported(dsn, "t", options=options) == expected, options
        taken += 1
    assert taken > SAMPLED


def _copy_options(conn: psycopg.Connection, options: dict[str, Any]) -> str:
    forced = options["forceQuote"]
    columns = sql.SQL("*") if forced == "*" else sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Identifier, forced)))
    parts = [
        *(
            sql.SQL("{} {}").format(sql.SQL(name), sql.Literal(options[name]))
            for name in ("delimiter", "quote", "null", "escape")
            if name in options
        ),
        sql.SQL("HEADER {}").format(sql.SQL("true" if options["header"] else "false")),
        *([sql.SQL("FORCE_QUOTE {}").format(columns)] if forced else []),
    ]
    return sql.SQL(", ").join(parts).as_string(conn)


@pytest.mark.parametrize("column", ["i", "a,b", 'q"q', "f", "n", "b", "id 1", "arr"])
def test_one_column_alone(table: tuple[str, psycopg.Connection], column: str) -> None:
    r"""``\.`` is quoted only there, and a NULL is an empty line."""
    dsn, conn = table
    query = sql.SQL("SELECT {} FROM t").format(sql.Identifier(column)).as_string(conn)
    for null in ("", "\\.", "1"):
        options = sql.SQL("HEADER, NULL {}").format(null).as_string(conn)
        assert exported(dsn, "t", columns=[column], options={"null": null}) == copied(conn, query, options)


def test_tsv_is_csv_with_a_tab(table: tuple[str, psycopg.Connection]) -> None:
    dsn, conn = table
    assert exported(dsn, "t", format="tsv") == copied(conn, "SELECT * FROM t", r"HEADER, DELIMITER E'\t'")
    assert exported(dsn, "t", format="tsv", options={"delimiter": ";"}) == copied(
        conn, "SELECT * FROM t", "HEADER, DELIMITER ';'"
    )


def test_line_ends_and_byte_order_mark(table: tuple[str, psycopg.Connection]) -> None:
    """Only the ends of records change; a line feed within a value stays."""
    dsn, conn = table
    plain = exported(dsn, "t", columns=["i", "f", "n"])
    assert exported(
        dsn, "t", columns=["i", "f", "n"], options={"lineEnd": "crlf", "bom": True}
    ) == b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n")
    crlf = exported(dsn, "t", options={"lineEnd": "crlf"})
    as_lf, as_crlf = (
        list(csv.reader(io.StringIO(file.decode(), newline=""))) for file in (copied(conn, "SELECT * FROM t"), crlf)
    )
    assert as_crlf == as_lf
    assert crlf.count(b"\r\n") == len(as_crlf) + 1  # one is within a value
    assert exported(dsn, "t", limit=0, options={"header": False, "bom": True}) == b"\xef\xbb\xbf"


GUARDED = (
    "CASE WHEN left({0}, 1) IN ('=', '+', '-', '@', E'\\t', E'\\r', E'\\n', '\uff1d', '\uff0b', '\uff0d', '\uff20')"
    " THEN '''' || {0} ELSE {0} END"
)
"""The last four are full-width."""


def test_the_guard_against_formulas(table: tuple[str, psycopg.Connection]) -> None:
    """Every cell of text that a spreadsheet would run, in headers too; numbers stay numbers."""
    dsn, conn = table
    conn.execute(
        'CREATE TABLE formulas AS SELECT v AS "=name", v::varchar AS "@v", v::bpchar(9) AS c, (\'-\' || length(v))::int AS n,'
        ' -length(v)::numeric AS "-m", left(v, 1)::"char" AS ch,'
        " ARRAY[v] AS arr, (v || 'x')::name AS na FROM unnest(ARRAY['=1+1', '+1', '-1', '@x', E'\\tx', E'\\r', 'x=1', '', ' =1',"
        " '''=1', '\"=1', E'\\n=1', '\uff1d1', '\uff0b1', '\uff0d1', '\uff20x', '\uff1f', '\uff1c', '\uff0c', '\uff21', '\u30001', 'é']) AS v"
    )
    guarded = {name: GUARDED.format(f'"{name}"') for name in ("=name", "@v")} | {
        "c": GUARDED.format("format('%s', c)"),
        "ch": GUARDED.format("ch::text"),
    }
    guarded["na"] = GUARDED.format("na::text")
    titles = {"=name": "'=name", "@v": "'@v", "-m": "'-m"}
    names = ["=name", "@v", "c", "n", "-m", "ch", "arr", "na"]
    selected = [f'''{guarded.get(name, f'"{name}"')} AS "{titles.get(name, name)}"''' for name in names]
    assert exported(dsn, "formulas", options={"formulaGuard": True}) == copied(
        conn, f"SELECT {', '.join(selected)} FROM formulas"
    )


def test_the_guard_looks_at_types_that_are_not_text(table: tuple[str, psycopg.Connection]) -> None:
    """A json text keeps the blanks before it; infinity and intervals are no numbers to a spreadsheet. Numbers are left
    alone.
    """
    dsn, conn = table
    conn.execute(
        "CREATE TABLE typed AS SELECT E'\\n1'::json AS l,"
        " E'\\t1'::json AS a, E'\\r\\n\"x\"'::json AS b, '-infinity'::date AS c, '-infinity'::timestamp AS d,"
        " '-infinity'::timestamptz AS e, '-1 day'::interval AS f, '-1'::json AS g, '-1'::jsonb AS h, '-1.5'::float8 AS i, '[1]'::json AS j,"
        " (E'\\t\"' || repeat('=,', 50000) || '\"')::json AS k"
    )
    guarded = [f"{GUARDED.format(name + '::text')} AS {name}" if name not in "ghi" else name for name in "labcdefghijk"]
    assert exported(dsn, "typed", options={"formulaGuard": True}) == copied(
        conn, f"SELECT {', '.join(guarded)} FROM typed"
    )


def test_the_profile_for_excel(table: tuple[str, psycopg.Connection]) -> None:
    """More digits than a spreadsheet keeps become text; a single option of the caller wins over the profile."""
    dsn, conn = table
    conn.execute(
        "CREATE TABLE numbers AS SELECT v::numeric AS n, trunc(v::numeric % 1e18)::int8 AS i, 1.5::float8 AS f, '=x'::text AS t FROM"
        " unnest(ARRAY['999999999999999',"
        " '-999999999999999', '1000000000000000', '-1234567890123456', '0.000000000000000001', '123456.7890123456', '1.50', '0']) AS v"
    )
    long = "CASE WHEN length(ltrim(translate({0}::text, '-.', ''), '0')) > 15 THEN '=\"' || {0}::text || '\"' ELSE {0}::text END AS {0}"
    query = f"SELECT {long.format('n')}, {long.format('i')}, f, '''=x' AS t FROM numbers"
    expected = copied(conn, query).replace(b"\n", b"\r\n")
    assert b'"=""1000000000000000"""' in expected
    assert exported(dsn, "numbers", options={"profile": "excel"}) == b"\xef\xbb\xbf" + expected
    assert exported(dsn, "numbers", options={"profile": "excel", "bom": False}) == expected
    assert (
        exported(dsn, "numbers", columns=["t"], options={"profile": "excel", "formulaGuard": False, "lineEnd": "lf"})
        == b"\xef\xbb\xbft\n" + b"=x\n" * 8
    )


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "CET", "2", "<+05>-5"])
def test_the_profile_for_excel_has_times_without_an_offset(dsn: str, conn: psycopg.Connection, zone: str) -> None:
    """As the clock in the zone shows them; in everything that holds more than a time they stay as they are."""
    conn.execute(
        "CREATE DOMAIN instant AS timestamptz; CREATE TABLE t AS SELECT v AS a, v::instant AS b, v::timestamp AS c,"
        " ARRAY[v] AS d, v::timestamptz(0) AS e FROM unnest('{2026-07-01 12:00+00,2026-01-01 12:00:00.5+00,"
        "2026-10-25 01:30+00,infinity,-infinity,0044-03-15 12:00 BC,1850-01-01 00:00+00,NULL}'::timestamptz[]) AS v"
    )
    options = {"timeZone": zone, "profile": "excel", "bom": False, "lineEnd": "lf", "formulaGuard": False}
    found = exported(dsn, "t", options=options)
    with conn.transaction(force_rollback=True):
        conn.execute(f"SET LOCAL TimeZone = '{zone}'".encode())
        query = b"COPY (SELECT a::timestamp, b::timestamp, c, d, e::timestamp FROM t) TO STDOUT (FORMAT csv, HEADER)"
        with conn.cursor().copy(query) as copy:
            expected = b"".join(bytes(part) for part in copy)
    assert found == expected
    assert b"+" not in found.replace(b"{", b"").split(b"\n")[1].split(b",")[0]
    plain = exported(dsn, "t", columns=["a"], options={"timeZone": zone})
    assert plain.splitlines()[1] != found.splitlines()[1].split(b",")[0]


def test_bytes_that_are_not_utf8_are_passed_on(table: tuple[str, psycopg.Connection]) -> None:
    dsn, conn = table
    conn.execute(
        "CREATE FUNCTION raw(bytea) RETURNS text LANGUAGE internal AS 'byteasend';"
        r"CREATE TABLE broken AS SELECT g AS id, raw('\x61ff22c328') AS t FROM generate_series(1, 2) AS g"
    )
    expected = copied(conn, "SELECT * FROM broken")
    assert b'a\xff""\xc3(' in expected
    assert exported(dsn, "broken") == expected
