"""Views and queries that are one scan of one plain table are read by ranges of its pages: with the same rows, or not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql

from polyglot_export import PolyglotError, explain, export, moment
from tests.library.helpers import as_role, copied, exported, new_role
from tests.library.random_selects import SETUP, random_selects

BY_RANGES = ("read by ranges of pages of public.wide",)
SEED = 20_261_128
STATEMENTS = 5_000 if settings().max_examples >= 1_000 else 90
"""All of them in ``make test-slow``."""

MORE = """
CREATE FUNCTION moving(v int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT v + (random() * 9)::int';
CREATE FUNCTION stable(v int) RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT count(*) FROM few); END';
CREATE FUNCTION "The Other".lower(v int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN v; END';
CREATE FUNCTION inlined(v int) RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT now() + v * interval ''1 s''';
CREATE FUNCTION date_bin(v int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN ''now''; END';
CREATE OPERATOR @- (FUNCTION = stable, RIGHTARG = int);
CREATE TABLE few (a int, s text);
CREATE TABLE parent (LIKE wide);
INSERT INTO parent SELECT (wide).* FROM (SELECT wide FROM wide) AS w;
CREATE TABLE child () INHERITS (parent);
INSERT INTO child SELECT * FROM parent LIMIT 3;
CREATE TABLE leaves (a int, pad text) PARTITION BY RANGE (a);
CREATE TABLE leaf PARTITION OF leaves FOR VALUES FROM (0) TO (10000);
ALTER TABLE leaf ALTER COLUMN pad SET STORAGE PLAIN;
INSERT INTO leaves SELECT a, pad FROM wide;
CREATE MATERIALIZED VIEW made AS SELECT * FROM wide;
CREATE VIEW guarded WITH (security_barrier) AS SELECT a, s FROM wide;
CREATE VIEW over_guarded AS SELECT * FROM guarded;
CREATE VIEW clock AS SELECT a, now() AS at FROM wide;
CREATE VIEW two AS SELECT a, s FROM wide;
CREATE VIEW over_two AS SELECT * FROM two WHERE a > 3;
CREATE FUNCTION called(v two) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN ''two''; END';
CREATE FUNCTION called(v record) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN ''record''; END';
CREATE TABLE zoned (a int, zt timetz, pad text);
ALTER TABLE zoned ALTER COLUMN pad SET STORAGE PLAIN;
INSERT INTO zoned SELECT a, '10:00+02', pad FROM wide;
"""

WHOLE = {
    # Another time, or a number by chance, for each session.
    "SELECT b, now() FROM wide": "now()",
    "SELECT b FROM wide WHERE z < now() - interval '1 day'": "now()",
    "SELECT b, CURRENT_DATE FROM wide": "current_date",
    "SELECT b FROM wide WHERE t < localtimestamp": "localtimestamp",
    # Somebody may make the first schema of the search path meanwhile.
    "SELECT b, current_schema FROM wide": "current_schema",
    "SELECT b, random() FROM wide": "random()",
    "SELECT moving(a) FROM wide": "random()",
    "SELECT inlined(a) FROM wide": "now()",
    "SELECT b, age(z) FROM wide": "current_date",
    "SELECT * FROM clock": "now()",
    # What a literal was is not in the plan.
    "SELECT b, timestamptz 'NOW' FROM wide": "'now'",
    "SELECT b FROM wide WHERE d < 'Today'::date": "'today'",
    "SELECT b, $q$tomorrow$q$::date FROM wide": "'tomorrow'",
    "SELECT b, E'\\x6eow'::timestamptz FROM wide": "escapes",
    "SELECT b, U&'\\006eow'::timestamptz FROM wide": "escapes",
    "SELECT b, 'no'\n'w'::timestamptz FROM wide": "pieces",
    # A text may say 'now'.
    "SELECT b, s::date FROM wide WHERE a < 0": "becomes date",
    "SELECT b, (s || v)::timestamptz FROM wide WHERE a < 0": "becomes timestamp with time zone",
    "SELECT b, ARRAY[s]::date[] FROM wide WHERE a < 0": "becomes date",
    "SELECT b, format('[%s,)', s)::tstzrange FROM wide WHERE a < 0": "becomes tstzrange",
    "SELECT b, date_bin(a)::date FROM wide WHERE a < 0": "date_bin()",
    "SELECT b, s::regclass FROM wide WHERE a < 0": "becomes regclass",
    "SELECT b, 'wide'::regclass FROM wide": "becomes regclass",
    # How far a zone is from UTC today.
    "SELECT b, o::timetz FROM wide": "time with time zone",
    "SELECT a, zt AT TIME ZONE 'Europe/Berlin' FROM zoned": "time with time zone",
    # Functions that read something else.
    "SELECT b, stable(a) FROM wide": "stable()",
    "SELECT b, @- a FROM wide": "the operator @-",
    'SELECT lower(s), "The Other".lower(a) FROM wide': "lower()",
    "SELECT b, current_setting('work_mem') FROM wide": "current_setting()",
    "SELECT b, pg_backend_pid() FROM wide": "pg_backend_pid()",
    # More than a scan, or of something else than a plain table.
    "SELECT b, (SELECT max(few.a) FROM few) FROM wide": "more than the scan",
    "SELECT b FROM wide WHERE EXISTS (SELECT FROM few WHERE few.a = wide.a)": "more than the scan",
    "SELECT b FROM wide WHERE a NOT IN (SELECT few.a FROM few)": "more than the scan",
    "SELECT wide.a FROM wide, few": "more than the scan",
    "SELECT a FROM wide TABLESAMPLE SYSTEM (100)": "more than the scan",
    "SELECT a FROM wide ORDER BY s": "more than the scan",
    "SELECT a FROM wide OFFSET 3": "more than the scan",
    "SELECT DISTINCT k FROM wide": "more than the scan",
    "SELECT a FROM wide WHERE u = 'c4ca4238-a0b9-2382-0dcc-509a6f75849b'": "more than the scan",
    "SELECT b FROM wide WHERE false": "more than the scan",
    "SELECT a FROM parent": "more than the scan",
    "SELECT a FROM ONLY parent": "not a plain table",
    "SELECT a FROM leaves": "read in the same way",
    "SELECT a FROM made": "not a plain table",
    "SELECT oid FROM pg_class": "not a plain table",
    "SELECT a FROM few": "too small to share",
    "SELECT a FROM (SELECT a FROM wide) AS w": "more than SELECT",
    "WITH w AS (SELECT a FROM wide) SELECT a FROM w": "more than SELECT",
    "TABLE wide": "more than SELECT",
    "SELECT public.narrow.a FROM public.narrow": "read in the same way",
    "SELECT x.ctid FROM wide AS x(ctid)": "read in the same way",
    "SELECT b FROM wide WHERE ctid >= '(5,0)' AND s > 'a'": "read in the same way",

    # A row of the view is of the view's type, a row of its definition is a record with the names of the alias.
    "SELECT row_to_json(x) FROM two AS x(p, q)": "as a whole",
    "SELECT x FROM over_two AS x": "as a whole",
    "SELECT called(x) FROM two AS x": "as a whole",
    "SELECT array_to_json(array[x]) FROM two AS x(p, q)": "as a whole",
    "SELECT * FROM guarded": "security barrier",
    "SELECT * FROM over_guarded": "security barrier",
}  # fmt: skip


@pytest.fixture(scope="module")
def tables(module_dsn: str) -> Iterator[psycopg.Connection]:
    """The tables of all tests here, which only read them."""
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute(SETUP.encode())
        connection.execute(MORE.encode())
        connection.execute(b"VACUUM ANALYZE")
        yield connection


def outcome(dsn: str, query: str) -> bytes | None:
    """The export; ``None`` where the server refuses a row."""
    try:
        return exported(dsn, query=query, workers=2)
    except PolyglotError:
        return None


def test_random_queries_have_the_rows_that_the_server_copies(module_dsn: str, tables: psycopg.Connection) -> None:
    """Byte by byte, since one scan and ranges have the same order; as multisets where the server has another one."""
    by_ranges = 0
    statements = islice(random_selects(SEED), STATEMENTS)
    with moment(module_dsn) as opened:
        for statement in statements:
            try:
                expected = copied(tables, statement.rstrip(" ;") + "\n")
            except psycopg.Error:
                assert outcome(module_dsn, statement) is None, statement
                continue
            with opened.export(query=statement, workers=2) as chunks:
                by_ranges += chunks.plan.notes == BY_RANGES
                found = b"".join(chunks)
            if found != expected:
                assert chunks.plan.notes != BY_RANGES, statement
                assert sorted(found.splitlines()) == sorted(expected.splitlines()), statement
    assert by_ranges > STATEMENTS // 2


@pytest.mark.usefixtures("tables")
def test_what_is_not_proved_is_read_whole(module_dsn: str) -> None:
    for query, why in WHOLE.items():
        plan = explain(module_dsn, query=query)
        assert (len(plan.scans), plan.scans[0].pages) == (1, None), query
        assert why in plan.notes[0], query


def test_people_write_queries_in_many_ways(module_dsn: str, tables: psycopg.Connection) -> None:
    for query in (
        "SELECT b, s FROM wide WHERE f < 3 OR v IS NULL",
        "SELECT b, s FROM wide WHERE f < 3 OR v IS NULL -- AND false",
        "SELECT extract(day FROM t), b IS DISTINCT FROM a, trim(both 't' from s) FROM wide",
        'SELECT x."Odd "" näme" AS "where" FROM public.wide AS x WHERE x.s <> $$ where $$;',
        "SELECT wide FROM wide WHERE wide IS NOT NULL",
        "SELECT public.wide.s FROM public.wide",
        "SELECT t::date, (z AT TIME ZONE 'Asia/Tokyo')::date, date_trunc('month', z)::date, z::timestamp FROM wide",
        "SELECT s, a % 7, m::text, to_char(z, 'YYYY') FROM wide",
        "SELECT s FROM wide WHERE m IN ('sad', 'ok') AND s LIKE E'%\\\\%' OR late = 'since'",
    ):
        with export(module_dsn, query=query, workers=2) as chunks:
            assert chunks.plan.notes == BY_RANGES, query
            assert b"".join(chunks) == copied(tables, query.rstrip(";") + "\n"), query


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("view", ["narrow", "The Other.View"])
def test_a_view_has_the_bytes_of_a_single_scan(
    module_dsn: str, tables: psycopg.Connection, view: str, workers: int
) -> None:
    name = sql.Identifier(*view.split("."))
    expected = copied(tables, sql.SQL("SELECT * FROM {} WHERE b > 100").format(name).as_string(tables))
    with export(module_dsn, view, where="b > 100", workers=workers) as chunks:
        assert (chunks.plan.notes, chunks.plan.segments) == (BY_RANGES, 2)
        # Rows are computed: their pages do not say how large they are.
        assert not chunks.plan.stored_once
        assert b"".join(chunks) == expected


def test_a_condition_on_a_query_is_looked_at_too(module_dsn: str, tables: psycopg.Connection) -> None:
    query = "SELECT b, s AS label FROM wide"
    expected = copied(tables, f"SELECT * FROM ({query}) AS q WHERE label LIKE '%1%'")
    assert explain(module_dsn, query=query, sql_where="label LIKE '%1%'").notes == BY_RANGES
    assert exported(module_dsn, query=query, sql_where="label LIKE '%1%'") == expected
    for moving in ("label > CURRENT_DATE::text", "b > random()", "'yesterday'::date > '2020-01-01'"):
        assert explain(module_dsn, query=query, sql_where=moving).notes != BY_RANGES
    # It may be about the row, whose type is the view's own.
    assert explain(module_dsn, "narrow", sql_where="r IS NOT NULL").notes != BY_RANGES


def test_no_operator_or_cast_of_the_server_reads_a_clock(tables: psycopg.Connection) -> None:
    """Those of ``pg_catalog`` are believed: the stable ones read the zone, the currency, or the search configuration."""
    rows = tables.execute(
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p WHERE p.oid < 16384 AND p.provolatile <> 'i'"
        " AND (p.oid IN (SELECT oprcode FROM pg_operator) OR p.oid IN (SELECT castfunc FROM pg_cast))"
        " AND (p.provolatile = 'v' OR NOT p.proargtypes::oid[] || p.prorettype && ARRAY["
        "'timestamptz', 'money', 'xml', 'regclass', 'tsquery', 'timetz']::regtype[]::oid[])"
    )
    assert sorted(row[0] for row in rows) == [
        "anytextcat(anynonarray,text)",
        "textanycat(text,anynonarray)",
        "ts_match_tt(text,text)",
    ]


def test_a_view_keeps_the_equality_that_it_was_made_with(dsn: str, conn: psycopg.Connection) -> None:
    """``=`` is called without being written, and the login's search path has another one in front of the server's."""
    conn.execute(SETUP.encode())
    conn.execute(
        b"CREATE VIEW v_nullif AS SELECT nullif(s, v) AS x FROM wide;"
        b"CREATE VIEW v_distinct AS SELECT s IS DISTINCT FROM v AS x FROM wide;"
        b"CREATE VIEW v_case AS SELECT CASE s WHEN v THEN 1 ELSE 0 END AS x FROM wide;"
        b"CREATE VIEW v_searched AS SELECT CASE WHEN s = v THEN 1 ELSE 0 END AS x FROM wide;"
        b"CREATE SCHEMA first;"
        b"CREATE FUNCTION first.always(text, text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';"
    )
    path = psycopg.conninfo.make_conninfo(dsn, options="-c search_path=first,pg_catalog,public")
    views = ("v_nullif", "v_distinct", "v_case", "v_searched")
    assert [explain(path, view).notes for view in views] == [BY_RANGES] * 4
    conn.execute(b"CREATE OPERATOR first.= (FUNCTION = first.always, LEFTARG = text, RIGHTARG = text)")
    for view in views:
        assert exported(path, view, workers=2) == copied(conn, f"SELECT * FROM {view}"), view
        assert (explain(path, view).notes == BY_RANGES) == (view == "v_searched"), view


@pytest.mark.usefixtures("tables")
def test_a_limit_or_an_order_is_over_all_rows(module_dsn: str) -> None:
    for what in ({"limit": 7}, {"order_by": ["b"]}):
        assert "over all rows" in explain(module_dsn, "narrow", **what).notes[0]
        assert "over all rows" in explain(module_dsn, query="SELECT b FROM wide", **what).notes[0]


def test_the_table_is_read_only_with_rights_of_the_login_itself(dsn: str, conn: psycopg.Connection) -> None:
    """A view is read with the rights of its owner, who may hide rows from others and see more than they do."""
    conn.execute(SETUP.encode())
    expected = copied(conn, "SELECT * FROM narrow")
    with new_role(conn, "reader") as role:
        reader = as_role(dsn, role)

        def notes_of_the_same_rows() -> tuple[str, ...]:
            assert exported(reader, "narrow", workers=2) == expected
            return explain(reader, "narrow").notes

        conn.execute(f'GRANT USAGE ON SCHEMA "The Other" TO {role}; GRANT SELECT ON narrow TO {role}'.encode())
        assert notes_of_the_same_rows() != BY_RANGES
        conn.execute(f"GRANT SELECT (a, b) ON wide TO {role}".encode())
        assert notes_of_the_same_rows() != BY_RANGES
        conn.execute(f"GRANT SELECT ON wide TO {role}".encode())
        assert notes_of_the_same_rows() == BY_RANGES
        conn.execute(
            f"ALTER TABLE wide ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON wide TO {role} USING (a < 9)".encode()
        )
        assert notes_of_the_same_rows() != BY_RANGES
        conn.execute(f"ALTER TABLE wide FORCE ROW LEVEL SECURITY; ALTER VIEW narrow OWNER TO {role}".encode())
        assert explain(reader, "narrow").notes != BY_RANGES
        # A policy for the owner counts for all who read the view, and not for whom reads the table.
        assert len(exported(dsn, "narrow").splitlines()) == len(copied(conn, "SELECT * FROM narrow").splitlines()) < 10
        assert explain(dsn, "narrow").notes != BY_RANGES
        conn.execute(b"ALTER TABLE wide DISABLE ROW LEVEL SECURITY")
        assert notes_of_the_same_rows() == BY_RANGES
        conn.execute(b"ALTER VIEW narrow OWNER TO CURRENT_USER")


def test_what_comes_meanwhile_is_not_read(dsn: str, conn: psycopg.Connection) -> None:
    """A child, and a table of the same name in a schema that the login's search path has before that of the table."""
    conn.execute(SETUP.encode())
    conn.execute(b"CREATE TABLE child (LIKE wide INCLUDING ALL); INSERT INTO child (a, s) VALUES (9999, 'child')")
    query = "SELECT b, s FROM wide WHERE a > 3"
    expected = copied(conn, query)
    with new_role(conn, "reader") as role:
        conn.execute(f"GRANT SELECT ON wide, child TO {role}".encode())
        with export(as_role(dsn, role), query=query, workers=2) as chunks:
            assert chunks.plan.notes == BY_RANGES
            conn.execute(
                f"ALTER TABLE child INHERIT wide; CREATE SCHEMA {role};"
                f"CREATE TABLE {role}.wide AS SELECT a, b, 'other' AS s FROM wide;"
                f"GRANT USAGE ON SCHEMA {role} TO {role}; GRANT SELECT ON {role}.wide TO {role}".encode()
            )
            assert b"".join(chunks) == expected
        conn.execute(f"DROP SCHEMA {role} CASCADE".encode())
