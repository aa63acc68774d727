"""Filters, order and limit: the rows are those of the same condition on the server."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest

from polyglot_export import FilterOp, FilterTerm, SpecError, export, parse_spec
from polyglot_export.execution.opening import explain
from polyglot_export.limits import PAGES_PER_SEGMENT
from tests.library.helpers import copied, exported, filled

TABLE = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN positive AS numeric(18, 4) CHECK (VALUE > 0);
CREATE DOMAIN mood_domain AS mood;
CREATE TABLE t (
    i int, big int8, small int2, n numeric(18, 4), d positive, f float8, b bool, s text, v varchar(5), c char(5), nm name, one "char",
    ts timestamptz, dt date, u uuid, m mood, md mood_domain, a int[], r int4range, by bytea, j jsonb, js json, x point, o oid, ip inet,
    money money, iv interval
);
INSERT INTO t SELECT g, g * 10000000000, g, g * 1.23451, g, g / 3.0, g % 2 = 0, 'text ' || g, 'v' || g, 'c' || g, 'n' || g,
    chr(64 + g)::"char", '2024-01-01 00:00Z'::timestamptz + g * interval '1 day', '2024-01-01'::date + g,
    md5(g::text)::uuid, (ARRAY['sad','ok','happy'])[1 + g % 3]::mood,
    (ARRAY['sad','ok','happy'])[1 + g % 3]::mood, ARRAY[g, g + 1], int4range(g, g + 5), decode(lpad(to_hex(g), 2, '0'), 'hex'),
    jsonb_build_object('k', g), '{"k": 1}', NULL, g, ('10.0.0.' || g)::inet, g::money, g * interval '1 hour'
    FROM generate_series(1, 20) AS g;
INSERT INTO t DEFAULT VALUES;
INSERT INTO t (s, c, v) VALUES ('it''s 100% \\ "q"', 'ab', ''), ('', '', ' ');
"""

TERMS: list[tuple[tuple[str, str, Any], str]] = [
    (("i", "=", 7), "i = 7"),
    (("i", "=", "7"), "i = 7"),
    (("i", "=", Decimal("1E+1")), "i = 10"),
    (("i", "=", Decimal("7.0")), "i = 7"),
    (("i", "in", [Decimal("0.70E+1"), Decimal("-0.0"), Decimal("0E-500")]), "i IN (7, 0)"),
    (("i", "!=", 7), "i <> 7"),
    (("i", "<", 3), "i < 3"),
    (("i", "<=", 3), "i <= 3"),
    (("i", ">", 18), "i > 18"),
    (("i", ">=", 18), "i >= 18"),
    (("i", "in", [1, 2, "3"]), "i IN (1, 2, 3)"),
    (("i", "in", []), "false"),
    (("i", "between", [3, 5]), "i BETWEEN 3 AND 5"),
    (("i", "isNull", None), "i IS NULL"),
    (("i", "isNotNull", None), "i IS NOT NULL"),
    (("big", "=", 30000000000), "big = 30000000000"),
    (("big", "between", [Decimal("1e10"), 20000000000.0]), "big BETWEEN 10000000000 AND 20000000000"),
    (("small", ">", 18), "small > 18"),
    (("small", "<=", Decimal("18.00")), "small <= 18"),
    (("n", "=", Decimal("3.7035")), "n = 3.7035"),
    (("n", "<", Decimal("1.23451")), "n < 1.23451"),
    (("n", "=", "NaN"), "n = 'NaN'"),
    (("d", "<=", 2), "d <= 2"),
    (("f", ">", "Infinity"), "f > 'Infinity'"),
    (("f", "<", 1.5), "f < 1.5"),
    (("b", "=", True), "b"),
    (("b", "!=", True), "NOT b"),
    (("b", "=", "no"), "NOT b"),
    (("s", "=", "text 3"), "s = 'text 3'"),
    (("s", "=", 'it\'s 100% \\ "q"'), "s = 'it''s 100% \\ \"q\"'"),
    (("s", "=", ""), "s = ''"),
    (("s", "like", "text 1%"), "s LIKE 'text 1%'"),
    (("s", "like", "%100\\%%"), "s LIKE '%100\\%%'"),
    (("s", "in", ["text 3", "it's"]), "s IN ('text 3', 'it''s')"),
    (("v", "=", "v3 and more"), "v = 'v3 and more'"),
    (("v", "like", "v1_"), "v LIKE 'v1_'"),
    (("v", "in", ["v1", "v2"]), "v IN ('v1', 'v2')"),
    (("c", "=", "ab"), "c = 'ab'"),
    (("c", "=", "abcde"), "c = 'abcde'"),
    (("c", "like", "c1%"), "c LIKE 'c1%'"),
    (("nm", "=", "n4"), "nm = 'n4'"),
    (("nm", "=", "n4" + "x" * 70), "false"),
    (("nm", "like", "n1%"), "nm LIKE 'n1%'"),
    (("one", "=", "C"), "one = 'C'"),
    (("ts", ">=", "2024-01-15T00:00:00Z"), "ts >= '2024-01-15T00:00:00Z'"),
    (("dt", "between", ["2024-01-03", "2024-01-05"]), "dt BETWEEN '2024-01-03' AND '2024-01-05'"),
    (("u", "=", "c4ca4238-a0b9-2382-0dcc-509a6f75849b"), "u = 'c4ca4238a0b923820dcc509a6f75849b'"),
    (("m", "=", "ok"), "m = 'ok'"),
    (("m", ">", "sad"), "m > 'sad'"),
    (("m", "in", ["ok", "happy"]), "m IN ('ok', 'happy')"),
    (("md", "=", "ok"), "md::mood = 'ok'"),
    (("a", "=", "{3,4}"), "a = '{3,4}'"),
    (("a", "in", ["{3,4}", "{5,6}"]), "a IN ('{3,4}', '{5,6}')"),
    (("r", "=", "[3,8)"), "r = '[3,8)'"),
    (("by", "=", "\\x03"), "by = '\\x03'"),
    (("j", "=", '{"k": 3}'), "j = '{\"k\": 3}'"),
    (("j", "isNull", None), "j IS NULL"),
    (("o", "=", 3), "o = 3"),
    (("o", "=", 3.0), "o = 3"),
    (("ip", "<", "10.0.0.3"), "ip < '10.0.0.3'"),
    (("money", "=", "$3.00"), "money = '$3.00'"),
    (("iv", "=", "3 hours"), "iv = '3 hours'"),
]


@pytest.fixture(scope="module")
def table(module_dsn: str) -> str:
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        conn.execute(TABLE.encode())
    return module_dsn


@pytest.mark.parametrize(("term", "condition"), TERMS, ids=[condition for _, condition in TERMS])
def test_a_term_means_what_the_condition_means(table: str, term: tuple[str, str, Any], condition: str) -> None:
    column, op, value = term
    got = exported(table, "t", filter=[{"column": column, "op": op, "value": value}])
    with psycopg.connect(table, autocommit=True) as conn:
        expected = copied(conn, f"SELECT * FROM t WHERE {condition}")
        assert got == expected
        # Neither all rows nor, unless that is the point, none: a filter that is lost would be seen.
        assert expected != copied(conn, "SELECT * FROM t")


def test_terms_are_anded(table: str) -> None:
    terms = [
        {"column": "i", "op": ">", "value": 3},
        {"column": "i", "op": "<", "value": 9},
        {"column": "b", "op": "=", "value": True},
    ]
    with psycopg.connect(table, autocommit=True) as conn:
        assert exported(table, "t", filter=terms) == copied(conn, "SELECT * FROM t WHERE i > 3 AND i < 9 AND b")


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"column": "nope", "op": "=", "value": 1}, "filter.0.column", "there is no column 'nope'; allowed are i, big"),
    ({"column": "i", "op": "=", "value": "abc"}, "filter.0", 'invalid input syntax for type integer: "abc"'),
    (
        {"column": "i", "op": "=", "value": Decimal("1.5")},
        "filter.0",
        "has type integer; the value must be a whole number, not 1.5",
    ),
    (
        {"column": "big", "op": "in", "value": [1, Decimal("1e-999999999")]},
        "filter.0",
        "the value must be a whole number",
    ),
    ({"column": "i", "op": "=", "value": Decimal("1e999999999")}, "filter.0", "invalid input syntax|out of range"),
    ({"column": "i", "op": "=", "value": 10**20}, "filter.0", "out of range for type integer"),
    ({"column": "i", "op": "=", "value": True}, "filter.0", "a boolean is compared with boolean columns only"),
    ({"column": "i", "op": "in", "value": [1, "x"]}, "filter.0", "invalid input syntax"),
    ({"column": "s", "op": "=", "value": 5}, "filter.0", "give the value as a string"),
    ({"column": "i", "op": "=", "value": None}, "filter.0", "not null; use isNull"),
    ({"column": "i", "op": "=", "value": [1]}, "filter.0", "one value, not a list"),
    ({"column": "i", "op": "between", "value": [1]}, "filter.0", "a list of two values"),
    (
        {"column": "i", "op": "like", "value": "1%"},
        "filter.0",
        "operator like is for bpchar, citext, name, text, varchar",
    ),
    ({"column": "s", "op": "like", "value": "a\\"}, "filter.0", "single backslash"),
    ({"column": "x", "op": "=", "value": "(1,1)"}, "filter.0", "has no operator ="),
    ({"column": "js", "op": "=", "value": "1"}, "filter.0", "has type json, which has no operator ="),
    ({"column": "j", "op": "=", "value": "{"}, "filter.0", "invalid input syntax for type json"),
    (
        {"column": "m", "op": "=", "value": "angry"},
        "filter.0",
        "which has no label 'angry'; allowed are 'sad', 'ok', 'happy'$",
    ),
    ({"column": "ts", "op": "=", "value": "yesteryear"}, "filter.0", "invalid input syntax for type timestamp"),
    ({"column": "dt", "op": "=", "value": "2024-02-30"}, "filter.0", "date/time field value out of range"),
    ({"column": "s", "op": "=", "value": "a\0b"}, "filter.0.value", r"U\+0000"),
    ({"column": "i", "op": "=", "value": float("nan")}, "filter.0.value", "must be finite"),
    ({"column": "i", "op": "~", "value": 1}, "filter.0.op", "must be '='"),
]


@pytest.mark.parametrize(("term", "field", "sentence"), WRONG, ids=[sentence for _, _, sentence in WRONG])
def test_a_wrong_term_names_its_field(table: str, term: dict[str, Any], field: str, sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence) as raised:
        exported(table, "t", filter=[term])
    assert raised.value.field == field
    assert "\n" not in str(raised.value)


def test_a_value_is_a_value_and_never_sql(table: str) -> None:
    for text in ("x'; DROP TABLE t; --", "' OR true --", "\\'; SELECT 1; --", "$$", "%s", "{}"):
        assert exported(table, "t", columns=["s"], filter=[{"column": "s", "op": "=", "value": text}]) == b"s\n"


ORDERS: list[tuple[list[Any], str]] = [
    (["i"], "i"),
    ([{"column": "i", "direction": "desc"}], "i DESC"),
    ([{"column": "m"}, {"column": "i", "direction": "desc"}], "m, i DESC"),
    (["s", "i"], "s, i"),
]


@pytest.mark.parametrize(("order", "sql"), ORDERS, ids=[sql for _, sql in ORDERS])
def test_order_and_limit_are_the_server_s(table: str, order: list[Any], sql: str) -> None:
    with psycopg.connect(table, autocommit=True) as conn:
        for limit in (None, 0, 3, 1000):
            tail = "" if limit is None else f" LIMIT {limit}"
            assert exported(table, "t", order_by=order, limit=limit) == copied(
                conn, f"SELECT * FROM t ORDER BY {sql}{tail}"
            )


def test_the_primary_key_breaks_ties(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TABLE t (g int, b int, a int, PRIMARY KEY (b, a));"
        "INSERT INTO t SELECT x % 3, x % 10, x FROM generate_series(1, 500) AS x ORDER BY md5(x::text)"
    )
    assert exported(dsn, "t", order_by=["g"]) == copied(conn, "SELECT * FROM t ORDER BY g, b, a")
    plan = explain(parse_spec({"format": "csv", "dataset": "t", "orderBy": [{"column": "g"}]}), dsn=dsn)
    assert 'ORDER BY r."g" ASC, r."b", r."a"' in plan.scans[0].before


def test_a_wrong_order_names_its_field(table: str) -> None:
    with pytest.raises(SpecError, match="there is no column 'nope'; allowed are i, big") as raised:
        exported(table, "t", order_by=["i", "nope"])
    assert raised.value.field == "orderBy.1.column"
    with pytest.raises(SpecError, match="could not identify an ordering operator") as raised:
        exported(table, "t", order_by=["i", "js"])
    assert raised.value.field == "orderBy.1"


def test_a_filter_goes_into_each_segment_unless_an_index_finds_the_rows(dsn: str, conn: psycopg.Connection) -> None:
    rows = filled(conn, "t", 2 * PAGES_PER_SEGMENT + 10)
    conn.execute("ANALYZE t")

    def segments(column: str, op: str, value: Any) -> int:
        spec = {"format": "csv", "dataset": "t", "filter": [{"column": column, "op": op, "value": value}]}
        return explain(parse_spec(spec), dsn=dsn).segments

    assert segments("id", ">", 5) == 3
    assert segments("id", "=", 5) == 1
    assert segments("id", "in", []) == 1
    assert segments("pad", "like", "%7") == 3
    for workers in (1, 3):
        got = exported(dsn, "t", filter=[{"column": "id", "op": ">", "value": rows // 2}], workers=workers)
        assert got == copied(conn, f"SELECT * FROM t WHERE id > {rows // 2}")
    assert exported(dsn, "t", filter=[{"column": "id", "op": "=", "value": 5}]) == copied(
        conn, "SELECT * FROM t WHERE id = 5"
    )


def test_null_composites_are_those_of_sql(dsn: str, conn: psycopg.Connection) -> None:
    """IS NULL is true where all fields are NULL, IS NOT NULL where none is."""
    conn.execute(
        "CREATE TYPE pair AS (a int, b int); CREATE DOMAIN same AS pair; CREATE TABLE t (id int, p pair, d same);"
        "INSERT INTO t VALUES (1, NULL, NULL), (2, ROW(NULL, NULL), ROW(NULL, NULL)), (3, ROW(1, NULL), ROW(1, NULL)),"
        " (4, ROW(1, 2), ROW(1, 2))"
    )
    for column in ("p", "d"):
        for op, condition, ids in (("isNull", "IS NULL", b"id\n1\n2\n"), ("isNotNull", "IS NOT NULL", b"id\n4\n")):
            expected = copied(conn, f"SELECT id FROM t WHERE {column} {condition}")
            if column == "p":
                assert expected == ids
            assert exported(dsn, "t", filter=[{"column": column, "op": op}], columns=["id"]) == expected


OTHER_TYPES = """
CREATE TYPE hue AS ENUM ('red', 'green', 'it''s'); CREATE DOMAIN hue_1 AS hue CHECK (VALUE <> 'red'); CREATE DOMAIN hue_2 AS hue_1;
CREATE DOMAIN hues AS hue[]; CREATE TABLE u (
    rp regprocedure, rf regproc, rc regconfig, rd regdictionary, rl regclass, rt regtype, rn regnamespace, ro regrole,
    rr regoperator, co regcollation, iv int2vector, ov oidvector, m hue, d1 hue_1, d2 hue_2, a hue[], da hues, ad hue_1[],
    x xid, x8 xid8, lsn pg_lsn, t tid, tv tsvector
);
INSERT INTO u VALUES ('abs(int4)', 'now', 'simple', 'simple', 'pg_class', 'int4', 'pg_catalog', 'pg_monitor', '+(int4,int4)', '"C"',
    '1 2', '1 2', 'red', 'green', 'green', '{red}', '{red}', '{green}', '3', '3', '0/3', '(0,3)', 'a');
INSERT INTO u VALUES ('sin(float8)', 'version', 'english', 'english_stem', 'pg_type', 'text', 'public', 'pg_read_all_data',
    '-(int4,int4)', '"POSIX"', '3', '3', 'it''s', 'it''s', 'it''s', '{green,it''s}', '{green}', '{it''s}', '4', '4', '0/4', '(0,4)', 'b');
INSERT INTO u DEFAULT VALUES
"""
OTHER_TERMS: list[tuple[str, str, Any, str]] = [
    ("rp", "=", "abs(int4)", "rp = 'abs(int4)'::regprocedure"),
    ("rp", "!=", "abs(int4)", "rp <> 'abs(int4)'::regprocedure"),
    ("rp", "in", ["abs(int4)", "cos(float8)"], "rp IN ('abs(int4)'::regprocedure, 'cos(float8)')"),
    ("rp", "<", "sin(float8)", "rp < 'sin(float8)'::regprocedure"),
    ("rp", "between", ["abs(int4)", "abs(int4)"], "rp BETWEEN 'abs(int4)'::regprocedure AND 'abs(int4)'::regprocedure"),
    ("rf", "=", "now", "rf = 'now'::regproc"),
    ("rc", "=", "simple", "rc = 'simple'::regconfig"),
    ("rc", "in", ["simple", "german"], "rc IN ('simple'::regconfig, 'german'::regconfig)"),
    ("rc", ">=", "english", "rc >= 'english'::regconfig"),
    ("rd", "=", "simple", "rd = 'simple'::regdictionary"),
    ("rl", "=", "pg_class", "rl = 'pg_class'::regclass"),
    ("rl", "=", 1259, "rl = 1259"),
    ("rt", "=", "integer", "rt = 'integer'::regtype"),
    ("rn", "=", "public", "rn = 'public'::regnamespace"),
    ("ro", "=", "pg_monitor", "ro = 'pg_monitor'::regrole"),
    ("rr", "=", "+(int4,int4)", "rr = '+(int4,int4)'::regoperator"),
    ("co", "=", '"C"', "co = '\"C\"'::regcollation"),
    ("iv", "=", "1 2", "iv = '1 2'::int2vector"),
    ("iv", "!=", "1 2", "iv <> '1 2'::int2vector"),
    ("iv", "<", "3", "iv < '3'::int2vector"),
    ("iv", "in", ["1 2", "5"], "iv IN ('1 2'::int2vector, '5')"),
    ("ov", "in", ["1 2", "5"], "ov IN ('1 2'::oidvector, '5')"),
    ("ov", "between", ["1 2", "1 3"], "ov BETWEEN '1 2'::oidvector AND '1 3'"),
    ("m", "=", "it's", "m = 'it''s'"),
    ("d1", "=", "green", "d1::hue = 'green'"),
    ("d1", "!=", "green", "d1::hue <> 'green'"),
    ("d1", "in", ["red", "it's"], "d1::hue IN ('red', 'it''s')"),
    ("d1", "between", ["red", "green"], "d1::hue BETWEEN 'red' AND 'green'"),
    ("d2", "=", "green", "d2::hue = 'green'"),
    ("d2", ">", "green", "d2::hue > 'green'"),
    ("d2", "isNull", None, "d2 IS NULL"),
    ("a", "=", "{red}", "a = '{red}'"),
    ("da", "=", "{red}", "da = '{red}'"),
    ("da", "in", ["{red}", "{}"], "da IN ('{red}', '{}')"),
    ("ad", "=", "{green}", "ad = '{green}'"),
    ("x", "=", "3", "x = '3'"),
    ("x8", "<=", "3", "x8 <= '3'"),
    ("lsn", ">", "0/3", "lsn > '0/3'"),
    ("t", "=", "(0,3)", "t = '(0,3)'"),
    ("tv", "=", "a", "tv = 'a'"),
]


@pytest.fixture(scope="module")
def others(module_dsn: str) -> str:
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        conn.execute(OTHER_TYPES.encode())
    return module_dsn


@pytest.mark.parametrize(("column", "op", "value", "condition"), OTHER_TERMS, ids=[term[3] for term in OTHER_TERMS])
def test_types_that_are_compared_as_others(others: str, column: str, op: str, value: Any, condition: str) -> None:
    """Types of the catalogue have the operators of oid or of arrays, a domain over an enum those of the enum."""
    with psycopg.connect(others, autocommit=True) as conn:
        expected = copied(conn, f"SELECT * FROM u WHERE {condition}")
    assert expected.count(b"\n") == 2
    assert exported(others, "u", filter=[{"column": column, "op": op, "value": value}]) == expected


@pytest.mark.parametrize("column", ["m", "d1", "d2"])
def test_a_wrong_label_of_an_enum(others: str, column: str) -> None:
    """The error has the labels, the column, and which term it was."""
    terms = [{"column": "x", "op": "=", "value": "3"}, {"column": column, "op": "in", "value": ["green", "blue"]}]
    with pytest.raises(SpecError) as error:
        exported(others, "u", filter=terms)
    assert error.value.field == "filter.1"
    reason = (
        f"column \"{column}\" has type public.hue{'' if column == 'm' else '_' + column[1]}, which has no label 'blue'"
    )
    assert error.value.reason == f"{reason}; allowed are 'red', 'green', \"it's\""


def test_many_labels_are_cut(dsn: str, conn: psycopg.Connection) -> None:
    labels = ", ".join(f"'l{n}'" for n in range(1_500))
    conn.execute(
        f"CREATE TYPE many AS ENUM ({labels}); CREATE TABLE t (m many); CREATE TYPE nothing AS ENUM ()".encode()
    )
    conn.execute("CREATE TABLE n (m nothing)")
    with pytest.raises(SpecError, match=r"allowed are 'l0', .*'l19' and 1,480 more$"):
        exported(dsn, "t", filter=[{"column": "m", "op": "=", "value": "x"}])
    with pytest.raises(SpecError, match=r"has no label 'x'; allowed are none$"):
        exported(dsn, "n", filter=[{"column": "m", "op": "=", "value": "x"}])


PYTHON_TERMS: list[tuple[str, str, Any, str]] = [
    ("dt", ">=", date(2024, 1, 18), "dt >= '2024-01-18'"),
    ("dt", "in", [date(2024, 1, 3), "2024-01-04"], "dt IN ('2024-01-03', '2024-01-04')"),
    ("dt", "=", date(987, 1, 2), "dt = '0987-01-02'"),
    ("ts", ">=", date(2024, 1, 18), "ts >= '2024-01-18 00:00+00'"),
    ("ts", ">=", datetime.fromisoformat("2024-01-18 12:00"), "ts >= '2024-01-18 12:00+00'"),
    ("ts", "<", datetime(2024, 1, 18, 1, tzinfo=timezone(timedelta(hours=2))), "ts < '2024-01-17 23:00+00'"),
    ("ts", "between", (datetime(2024, 1, 3, tzinfo=UTC), datetime(2024, 1, 4, 0, 0, 0, 1, UTC)),
     "ts BETWEEN '2024-01-03 00:00+00' AND '2024-01-04 00:00:00.000001+00'"),
    ("u", "=", UUID("c4ca4238a0b923820dcc509a6f75849b"), "u = 'c4ca4238a0b923820dcc509a6f75849b'"),
    ("u", "in", [UUID("c4ca4238a0b923820dcc509a6f75849b")], "u IN ('c4ca4238a0b923820dcc509a6f75849b')"),
    ("b", "=", False, "NOT b"),
    ("n", "=", Decimal("3.7035"), "n = 3.7035"),
    ("iv", "<", time(3, 30), "iv < '03:30'"),
]  # fmt: skip


@pytest.mark.parametrize(("column", "op", "value", "condition"), PYTHON_TERMS, ids=[term[3] for term in PYTHON_TERMS])
def test_values_of_python(table: str, column: str, op: str, value: Any, condition: str) -> None:
    with psycopg.connect(table, autocommit=True) as conn:
        expected = copied(conn, f"SELECT * FROM t WHERE {condition}")
    assert exported(table, "t", filter=[{"column": column, "op": op, "value": value}]) == expected
    if op == "=":
        assert exported(table, "t", filter=[FilterTerm(column, FilterOp.EQ, value)]) == expected


def test_other_values_of_python_are_refused(table: str) -> None:
    for value in (timedelta(hours=1), b"x", object(), {"a": 1}):
        with pytest.raises(SpecError, match="must be a string, a number or a boolean"):
            exported(table, "t", filter=[{"column": "iv", "op": "=", "value": value}])


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns"])
@pytest.mark.parametrize("format_", ["csv", "ndjson", "xml", "parquet"])
def test_a_date_in_a_filter_begins_in_the_zone(dsn: str, conn: psycopg.Connection, zone: str, format_: str) -> None:
    """As in psql under that setting; a value with an offset of its own is the same in every zone, and so are columns
    that have no zone.
    """
    conn.execute(
        "CREATE TABLE t AS SELECT ts, ts::timestamp AS wall, ts::date AS day FROM generate_series('2026-10-31 00:00+00'::timestamptz,"
        " '2026-11-02 00:00+00', '30 min') AS ts"
    )
    for column, op, value in [
        ("ts", ">=", "2026-11-01"),
        ("ts", "<", date(2026, 11, 1)),
        ("ts", ">=", datetime.fromisoformat("2026-11-01 12:00")),
        ("ts", "between", ["2026-10-31 12:00", "2026-11-01"]),
        ("ts", ">=", "2026-11-01 00:00+00"),
        ("ts", ">=", "2026-11-01 00:00 Asia/Tokyo"),
        ("ts", "in", ["2026-11-01", "2026-11-01T12:30"]),
        ("wall", ">=", "2026-11-01"),
        ("day", ">=", "2026-11-01"),
    ]:
        given = [str(each) for each in value] if isinstance(value, list) else [str(value)]
        literals = [f"'{each}'" for each in given]
        condition = {"between": "BETWEEN {} AND {}", "in": "IN ({}, {})"}.get(op, op + " {}").format(*literals)
        with conn.transaction(force_rollback=True):
            conn.execute(f"SET LOCAL TimeZone = '{zone}'".encode())
            (expected,) = conn.execute(f"SELECT count(*) FROM t WHERE {column} {condition}".encode()).fetchone() or (0,)
        term = {"column": column, "op": op, "value": value}
        with export(dsn, "t", format=format_, filter=[term], options={"timeZone": zone}) as chunks:
            for _ in chunks:
                pass
            assert chunks.result().rows == expected, (term, condition)
        assert 0 < expected < 97
