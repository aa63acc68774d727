"""The type table: how each column is read, and that the result is what the server says in every case that is a trap."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from polyglot_export import Plan, export, parse_spec
from polyglot_export.execution.opening import explain
from polyglot_export.planning.describe import plan_text
from polyglot_export.planning.type_table import NATIVE
from tests.library.helpers import copied, exported, ndjson

TRAPS = """
CREATE TYPE mood AS ENUM ('sad', 'so "so"');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN mood_domain AS mood;
CREATE DOMAIN int_domain AS int CHECK (VALUE > 0);
CREATE DOMAIN deep AS int_domain;
CREATE DOMAIN ints AS int[];
CREATE DOMAIN pair_domain AS pair;
CREATE DOMAIN money_domain AS numeric(10, 2);
CREATE TABLE t (
    mood mood, mood_domain mood_domain, moods mood[], mood_domains mood_domain[],
    int_domain int_domain, deep deep, deeps deep[], ints ints, money_domain money_domain, money_domains money_domain[],
    pair pair, pairs pair[], pair_domain pair_domain,
    one "char", ones "char"[], nm name, names name[], iv int2vector, ov oidvector, o oid, os oid[],
    bits bit(3), varbits bit varying, money money, ip inet, net cidr, mac macaddr, point point, box box, boxes box[], path path,
    r int4range, rs int4range[], mr int4multirange, tr tstzrange, ts tsvector, tq tsquery, xid xid, xid8 xid8, tid tid, lsn pg_lsn,
    rc regclass, rt regtype, acl aclitem, acls aclitem[], cursor refcursor, snap pg_snapshot, jp jsonpath,
    padded char(5), paddeds char(5)[], plain bpchar, nums numeric[], num numeric, num_typed numeric(5, 2), negative numeric(3, -2),
    tz timestamptz, tzs timestamptz[], t time, ttz timetz, intervals interval[], js json[], jb jsonb[], by bytea[], u uuid[], f4 float4[],
    grid int[][], lower int[]
);
INSERT INTO t DEFAULT VALUES;
INSERT INTO t VALUES (
    'so "so"', 'sad', '{sad,"so \\"so\\"",NULL}', '{sad}', 1, 2, '{3,4}', '{5,NULL}', 1.5, '{2.25,NULL}',
    ROW(NULL, NULL), ARRAY[ROW(1, 'x'), NULL, ROW(NULL, 'a,"b')]::pair[], ROW(1, NULL),
    'x', '{a,b}', 'n', '{n,m}', '1 2', '3 4', 4294967295, '{1,4294967295}',
    '101', '1', 1234.5, '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', '(1,2)', '(1,1),(0,0)',
    '{(1,1),(0,0);(2,2),(1,1)}', '((0,0),(1,1))',
    '[1,5)', '{"[1,2)",empty}', '{[1,2),[5,6)}', '[2024-01-01 00:00Z,)', 'a:1 b', 'a & b', '5', '6', '(0,1)', '16/B374D848',
    'pg_class', 'int4', 'postgres=r/postgres', '{postgres=r/postgres}', 'a cursor', '10:20:10,14', '$.a',
    'ab', '{ab,"  "}', 'ab  ', '{1.50,NaN,Infinity,NULL}', 1.500, 1.5, 1200,
    '1880-01-01 00:00Z', '{1880-01-01 00:00Z,infinity}', '24:00:00', '10:00:00+02', '{1 day,NULL}', ARRAY['{"a": 1}', '[1,\n2]']::json[],
    ARRAY['{"a": 1}']::jsonb[], '{"\\\\x00ff"}', '{c4ca4238-a0b9-2382-0dcc-509a6f75849b}', '{1.5,NaN}', '{{1,2},{3,NULL}}', '[5:6]={7,8}'
);
"""


def created(conn: psycopg.Connection, script: str = TRAPS) -> None:
    if conn.info.server_version < 150000:
        script = script.replace("numeric(3, -2)", "numeric")
    conn.execute(script.encode())


def kinds(plan: Plan) -> dict[str, str]:
    return {column.source: column.kind for column in plan.columns}


def test_every_trap_is_what_the_server_says(dsn: str, conn: psycopg.Connection) -> None:
    created(conn)
    columns = [column.source for column in explain(parse_spec({"format": "csv", "dataset": "t"}), dsn=dsn).columns]
    for column in columns:  # first one by one, so that the one that breaks is named
        assert exported(dsn, "t", columns=[column]) == copied(conn, f'SELECT "{column}" FROM t'), column
        assert exported(dsn, "t", columns=[column], format="ndjson") == ndjson(conn, f'SELECT "{column}" FROM t'), (
            column
        )
    assert exported(dsn, "t") == copied(conn, "SELECT * FROM t")
    assert exported(dsn, "t", format="ndjson") == ndjson(conn, "SELECT * FROM t")
    query = "SELECT * FROM t"
    assert exported(dsn, query=query) == copied(conn, query)
    assert exported(dsn, query=query, format="ndjson") == ndjson(conn, query)


def test_user_made_casts_are_followed_in_json_and_nowhere_else(dsn: str, conn: psycopg.Connection) -> None:
    created(conn)
    before = exported(dsn, "t")
    conn.execute(
        "CREATE FUNCTION shout(mood) RETURNS json LANGUAGE sql AS $$SELECT json_build_object('mood', upper($1::text))$$;"
        "CREATE CAST (mood AS json) WITH FUNCTION shout(mood);"
        "CREATE FUNCTION odd(pair) RETURNS text LANGUAGE sql AS $$SELECT 'odd'$$; CREATE CAST (pair AS text) WITH FUNCTION odd(pair);"
        "CREATE FUNCTION odd(inet, int) RETURNS text LANGUAGE sql AS $$SELECT 'odd'$$;"
        "CREATE FUNCTION odd(json) RETURNS text LANGUAGE sql AS $$SELECT 'odd'$$; CREATE CAST (json AS text) WITH FUNCTION odd(json)"
    )
    lines = exported(dsn, "t", format="ndjson", columns=["mood", "mood_domain", "moods", "mood_domains", "pair", "ip"])
    assert b'"mood":{"mood" : "SO' in lines
    assert lines == ndjson_binary(conn, "SELECT mood, mood_domain, moods, mood_domains, pair, ip FROM t")
    assert exported(dsn, "t") == before == copied(conn, "SELECT * FROM t")


def ndjson_binary(conn: psycopg.Connection, query: str) -> bytes:
    """The oracle without a cast of json to text, which someone replaced."""
    rows = conn.execute(
        f"SELECT format('%s', row_to_json(the_oracles_row)) FROM ({query}) AS the_oracles_row".encode()
    ).fetchall()
    return "".join(row[0].replace("\n", " ") + "\n" for row in rows).encode()


def test_revoked_execute_does_not_matter(dsn: str, conn: psycopg.Connection) -> None:
    created(conn)
    expected = copied(conn, "SELECT * FROM t")
    conn.execute(
        "REVOKE EXECUTE ON FUNCTION pg_catalog.inet_out(inet), pg_catalog.int4out(int), pg_catalog.enum_out(anyenum) FROM PUBLIC"
    )
    assert exported(dsn, "t") == expected


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "-03:30", "utc", "Etc/GMT+5"])
def test_other_time_zones(dsn: str, conn: psycopg.Connection, zone: str) -> None:
    created(conn)
    conn.execute(f"ALTER DATABASE {conn.info.dbname} SET TimeZone = 'Asia/Tokyo'".encode())
    columns = ["tz", "tzs", "tr", "ttz"]
    with psycopg.connect(dsn) as oracle:
        oracle.execute(f"SET TimeZone = '{zone}'".encode())
        with oracle.cursor().copy("COPY (SELECT tz, tzs, tr, ttz FROM t) TO STDOUT (FORMAT csv, HEADER)") as copy:
            expected = b"".join(bytes(part) for part in copy)
        rows = oracle.execute("SELECT row_to_json(x)::text FROM (SELECT tz, tzs, tr, ttz FROM t) AS x").fetchall()
    assert exported(dsn, "t", columns=columns, options={"timeZone": zone}) == expected
    lines = "".join(row[0] + "\n" for row in rows).encode()
    assert exported(dsn, "t", columns=columns, format="ndjson", options={"timeZone": zone}) == lines


def test_what_is_native(dsn: str, conn: psycopg.Connection) -> None:
    created(conn)
    columns = ", ".join(f'c_{name} pg_catalog."{name}"' for name in NATIVE)
    conn.execute(f"CREATE TABLE n ({columns})".encode())
    plan = explain(parse_spec({"format": "csv", "dataset": "n"}), dsn=dsn)
    assert kinds(plan) == {f"c_{name}": record.kind for name, record in NATIVE.items()}
    csv = kinds(explain(parse_spec({"format": "csv", "dataset": "t"}), dsn=dsn))
    json = kinds(explain(parse_spec({"format": "json", "dataset": "t"}), dsn=dsn))
    native = {
        "mood": "text",
        "mood_domain": "text",
        "moods": "array:text:,",
        "mood_domains": "array:text:,",
        "deep": "int4",
        "deeps": "array:int4:,",
        "ints": "array:int4:,",
        "ones": "array:char:,",
        "names": "array:text:,",
        "money_domains": "array:numeric:,",
        "tzs": "array:timestamptz:,",
    }
    for name, kind in native.items():
        assert (csv[name], json[name]) == (kind, kind), name
    for name in (
        "pair",
        "pairs",
        "iv",
        "ov",
        "bits",
        "ip",
        "box",
        "boxes",
        "r",
        "rs",
        "acl",
        "acls",
        "cursor",
        "money",
        "ts",
    ):
        assert (csv[name], json[name]) == ("by_text", "json_text"), name
    berlin = {"options": {"timeZone": "Europe/Berlin"}}
    assert kinds(explain(parse_spec({"format": "csv", "dataset": "t", **berlin}), dsn=dsn))["tz"] == "by_text"
    assert kinds(explain(parse_spec({"format": "json", "dataset": "t", **berlin}), dsn=dsn))["tzs"] == "json_text"
    assert kinds(explain(parse_spec({"format": "parquet", "dataset": "t", **berlin}), dsn=dsn))["tz"] == "timestamptz"


PARQUET: list[tuple[str, dict[str, Any], str, str]] = [
    ("smallint", {}, "int2", "int16"),
    ("int", {}, "int4", "int32"),
    ("bigint", {}, "int8", "int64"),
    ("oid", {}, "oid", "int64"),
    ("real", {}, "float4", "float"),
    ("double precision", {}, "float8", "double"),
    ("bool", {}, "bool", "boolean"),
    ("numeric(18,4)", {}, "numeric", "decimal(18,4)"),
    ("numeric(38,38)", {}, "numeric", "decimal(38,38)"),
    ("numeric(5)", {}, "numeric", "decimal(5,0)"),
    ("money_domain", {}, "numeric", "decimal(10,2)"),
    ("money_domain[]", {}, "array:numeric:,", "list:decimal(10,2)"),
    ("numeric(7,3)[]", {}, "array:numeric:,", "list:decimal(7,3)"),
    ("numeric", {}, "numeric", "string"),
    ("numeric", {"numericFallback": "double"}, "numeric", "double"),
    ("numeric", {"numericFallback": "decimal(20, 5)"}, "numeric", "decimal(20,5)"),
    ("numeric[]", {"numericFallback": "decimal(20,5)"}, "array:numeric:,", "list:decimal(20,5)"),
    ("numeric(39,1)", {}, "numeric", "string"),
    ("numeric(5,-2)", {}, "numeric", "string"),
    ("numeric(3,5)", {}, "numeric", "string"),
    ("text", {}, "text", "string"),
    ("char(3)", {}, "text", "string"),
    ("mood", {}, "text", "string"),
    ("bytea", {}, "bytea", "bytes"),
    ("date", {}, "date", "date"),
    ("time", {}, "time", "time"),
    ("time", {"time24": "text"}, "time", "string"),
    ("timetz", {}, "timetz", "string"),
    ("interval", {}, "interval", "string"),
    ("timestamp", {}, "timestamp", "timestamp"),
    ("timestamptz", {}, "timestamptz", "timestamptz"),
    ("uuid", {}, "uuid", "uuid"),
    ("json", {}, "json", "json"),
    ("jsonb", {}, "jsonb", "json"),
    ("int[]", {}, "array:int4:,", "list:int32"),
    ("int[]", {"arrays": "json"}, "array:int4:,", "json"),
    ("int4range[]", {}, "by_text", "string"),
    ("int4range[]", {"arrays": "json"}, "json", "json"),
    ("int4range", {"arrays": "json"}, "by_text", "string"),
    ("inet", {}, "by_text", "string"),
    ("pair", {}, "by_text", "string"),
]


SINCE_15 = {"numeric(5,-2)", "numeric(3,5)"}
"""Before, the scale was between 0 and the precision."""


def test_parquet_types(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TYPE mood AS ENUM ('sad'); CREATE TYPE pair AS (a int); CREATE DOMAIN money_domain AS numeric(10, 2)"
    )
    for number, (type_, options, kind, parquet) in enumerate(PARQUET):
        if type_ in SINCE_15 and conn.info.server_version < 150000:
            continue
        conn.execute(f"CREATE TABLE t{number} (c {type_}); INSERT INTO t{number} VALUES (NULL)".encode())
        plan = explain(parse_spec({"format": "parquet", "dataset": f"t{number}", "options": options}), dsn=dsn)
        assert (plan.columns[0].kind, plan.columns[0].parquet) == (kind, parquet), (type_, options)
        with export(dsn, f"t{number}", format="parquet", options=options) as chunks:
            assert b"".join(chunks).endswith(b"PAR1"), (type_, options)


def test_virtual_generated_columns(dsn: str, conn: psycopg.Connection) -> None:
    if conn.info.server_version < 180000:
        pytest.skip("virtual columns came with 18")
    conn.execute(
        "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL); INSERT INTO t SELECT generate_series(1, 100)"
    )
    assert exported(dsn, "t") == copied(conn, "SELECT * FROM t")


def test_sixteen_hundred_columns(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        f"CREATE TABLE t ({', '.join(f'c{n} int' for n in range(1600))}); INSERT INTO t (c0, c1599) VALUES (1, 2)".encode()
    )
    assert exported(dsn, "t") == copied(conn, "SELECT * FROM t")
    assert exported(dsn, "t", format="ndjson") == ndjson(conn, "SELECT * FROM t")


def test_numbers_that_are_text_in_parquet_are_told(dsn: str, conn: psycopg.Connection) -> None:
    """With what to write for numbers, in the plan, what explain prints, and the result."""
    conn.execute(
        "CREATE DOMAIN amount AS numeric; CREATE TABLE t (a numeric, b numeric(10, 2), c numeric[], d amount, e text, f numeric(50, 2),"
        " g numeric(3, -2), h int); INSERT INTO t VALUES (1.5, 2.5, '{3}', 4, 'x', 5, 600, 7)"
    )

    def told(**what: Any) -> str:
        plan = explain(parse_spec({"dataset": "t", "format": "parquet"} | what), dsn=dsn)
        assert all(remark in plan_text(plan) for remark in plan.remarks)
        with export(dsn, "t", **{"format": "parquet"} | what) as chunks:
            assert b"".join(chunks)
            assert chunks.result().remarks == plan.remarks
        return " ".join(plan.remarks)

    assert told() == (
        "columns 'a', 'c', 'd', 'f', 'g' are text, because the type numeric has no precision there that Parquet can hold;"
        " numericFallback=double or numericFallback=decimal(p,s) writes numbers"
    )
    assert told(columns=[{"source": "a", "target": "net"}, "h"]).startswith("column 'net' is text, because")
    assert told(columns=["b", "e", "h"]) == ""
    assert told(options={"arrays": "json"}).startswith("columns 'a', 'd', 'f', 'g' are text")
    for fallback in ("double", "decimal(20,4)"):
        assert told(options={"numericFallback": fallback}) == ""
    assert told(format="csv") == told(format="ndjson") == ""
    many = ", ".join(f"n{number} numeric" for number in range(9))
    conn.execute(f"DROP TABLE t; CREATE TABLE t ({many}); INSERT INTO t DEFAULT VALUES".encode())
    assert told().startswith("columns 'n0', 'n1', 'n2', 'n3', 'n4' and 4 more are text")
