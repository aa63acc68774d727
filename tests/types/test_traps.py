"""The traps of ``docs/formats/types.md``: what makes the plain ways to read a value differ from what the server
writes.
"""

from __future__ import annotations

import io
import itertools
import struct
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest
from psycopg import sql

from polyglot_export import export
from tests.fixtures.server import Database
from tests.library.helpers import as_role, copied, exported, ndjson, new_role

CSV_AND_NDJSON = {"csv": copied, "ndjson": ndjson}


def same(dsn: str, conn: psycopg.Connection, table: str = "t") -> None:
    """Both text formats equal the server's."""
    query = f"SELECT * FROM {table}"
    for format_, oracle in CSV_AND_NDJSON.items():
        expected = oracle(conn, query)
        assert expected.count(b"\n") >= 1, "an oracle that says nothing proves nothing"
        assert exported(dsn, table, format=format_) == expected, format_


def scalar(conn: psycopg.Connection, query: str) -> Any:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def test_a_cast_to_text_that_a_user_made(dsn: str, conn: psycopg.Connection) -> None:
    """``c::text`` would call it; COPY calls the type's output function."""
    conn.execute(
        "CREATE TYPE pair AS (a int, b text); CREATE TYPE mood AS ENUM ('sad', 'glad');"
        "CREATE FUNCTION pair_text(pair) RETURNS text LANGUAGE sql AS $$SELECT 'user made'$$;"
        "CREATE FUNCTION mood_text(mood) RETURNS text LANGUAGE sql AS $$SELECT 'user made'$$;"
        "CREATE CAST (pair AS text) WITH FUNCTION pair_text(pair); CREATE CAST (mood AS text) WITH FUNCTION mood_text(mood);"
        "CREATE TABLE t AS SELECT '(1,x)'::pair AS p, ARRAY['(1,x)']::pair[] AS ps, 'sad'::mood AS m, ARRAY['glad']::mood[] AS ms"
    )
    assert scalar(conn, "SELECT p::text || m::text FROM t") == "user madeuser made"
    same(dsn, conn)


def test_a_cast_to_json_that_a_user_made(dsn: str, conn: psycopg.Connection) -> None:
    """``row_to_json`` calls it, for types of users; inside arrays, too."""
    conn.execute(
        "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN mood_domain AS mood; CREATE TYPE pair AS (a int, b mood);"
        'CREATE FUNCTION mood_json(mood) RETURNS json LANGUAGE sql AS $$SELECT \'{"user":\n "made"}\'::json$$;'
        "CREATE CAST (mood AS json) WITH FUNCTION mood_json(mood);"
        "CREATE FUNCTION pair_json(pair) RETURNS json LANGUAGE sql AS $$SELECT '[\"pair\"]'::json$$;"
        "CREATE CAST (pair AS json) WITH FUNCTION pair_json(pair);"
        "CREATE FUNCTION date_json(date) RETURNS json LANGUAGE sql AS $$SELECT '0'::json$$;"
        "CREATE CAST (date AS json) WITH FUNCTION date_json(date);"
        "CREATE TABLE t AS SELECT 'sad'::mood AS m, 'sad'::mood::mood_domain AS d, ARRAY['sad', NULL]::mood[] AS ms,"
        " ARRAY['sad']::mood_domain[] AS ds, '(1,sad)'::pair AS p, ARRAY['(1,sad)']::pair[] AS ps, date '2000-01-01' AS day,"
        " ARRAY[date '2000-01-01'] AS days"
    )
    assert b"made" in ndjson(conn, "SELECT m FROM t")
    same(dsn, conn)


def test_types_whose_cast_to_text_differs(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TABLE t (a bool, b inet, c bpchar(5), d char, e cidr); INSERT INTO t VALUES"
        " (true, '10.0.0.1', 'x', '', '10.0.0.1'), (false, '10.0.0.1/8', '     ', ' ', '::1'), (NULL, '::1/64', 'a b', 'x', '::/0')"
    )
    assert copied(conn, "SELECT a::text, b::text, c::text FROM t") != copied(conn, "SELECT a, b, c FROM t")
    same(dsn, conn)


def test_refcursor_and_domains_over_enums(dsn: str, conn: psycopg.Connection) -> None:
    """``textin(typoutput(c))`` fails for both."""
    conn.execute(
        "CREATE TYPE mood AS ENUM ('sad', ''); CREATE DOMAIN mood_domain AS mood NOT NULL;"
        "CREATE TABLE t AS SELECT 'c\"1'::refcursor AS r, ARRAY['a b']::refcursor[] AS rs, 'sad'::mood_domain AS m, ARRAY['',"
        " 'sad']::mood_domain[] AS ms"
    )
    same(dsn, conn)


def test_revoked_functions(dsn: str, conn: psycopg.Connection) -> None:
    """The login may not call output, send and cast functions of the types; COPY needs no right to them."""
    conn.execute(
        "CREATE TABLE t AS SELECT '10.0.0.1'::inet AS a, 1.5::numeric AS b, '(1,2)'::point AS c, 5 AS d, now() AS e,"
        " '[1,2]'::int4range AS f"
    )
    with new_role(conn, "reader") as role:
        conn.execute(sql.SQL("GRANT SELECT ON t TO {}").format(sql.Identifier(role)))
        for function in (
            "inet_out(inet)",
            "text(inet)",
            "point_out(point)",
            "point_send(point)",
            "numeric_send(numeric)",
            "int4send(int4)",
        ):
            conn.execute(f"REVOKE EXECUTE ON FUNCTION pg_catalog.{function} FROM PUBLIC".encode())
        with psycopg.connect(as_role(dsn, role), autocommit=True) as its:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                its.execute("SELECT inet_out(a) FROM t")
            for format_, oracle in CSV_AND_NDJSON.items():
                assert exported(as_role(dsn, role), "t", format=format_) == oracle(its, "SELECT * FROM t"), format_


def test_composites_of_nulls(dsn: str, conn: psycopg.Connection) -> None:
    """``IS NULL`` is true for them, and COPY writes ``(,)``."""
    conn.execute(
        "CREATE TYPE pair AS (a int, b text); CREATE TYPE outer_pair AS (p pair, q pair); CREATE DOMAIN pair_domain AS pair;"
        "CREATE TABLE t (p pair, o outer_pair, d pair_domain, ps pair[]);"
        "INSERT INTO t VALUES ('(,)', '(\"(,)\",)', '(,)', '{\"(,)\",NULL}'), (NULL, '(,)', NULL, NULL), ('(1,)', NULL, '(,\"\")', '{}')"
    )
    assert scalar(conn, "SELECT count(*) FROM t WHERE p IS NULL") == 2
    same(dsn, conn)


SHADOWS = """
CREATE SCHEMA evil;
CREATE FUNCTION evil.format(text, VARIADIC "any") RETURNS text LANGUAGE internal AS 'text_concat_ws';
CREATE FUNCTION evil.to_json(anyelement) RETURNS json LANGUAGE sql AS $$SELECT '"shadowed"'::json$$;
CREATE FUNCTION evil.differs(inet, inet) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR evil.= (LEFTARG = inet, RIGHTARG = inet, FUNCTION = evil.differs);
CREATE OPERATOR evil.<> (LEFTARG = inet, RIGHTARG = inet, FUNCTION = evil.differs);
CREATE TYPE evil.text AS ENUM ('evil'); CREATE TYPE evil.oid AS ENUM ('evil');
"""


def test_what_a_search_path_shadows(dsn: str, conn: psycopg.Connection) -> None:
    """Functions, operators and names of types in front of pg_catalog; IS DISTINCT FROM NULL looks no operator up."""
    conn.execute(SHADOWS)
    conn.execute(
        "CREATE TABLE t AS SELECT '10.0.0.1'::inet AS a, '{10.0.0.1}'::inet[] AS b, 'x'::pg_catalog.text AS c, '(1,2)'::point AS d"
    )
    expected = {format_: oracle(conn, "SELECT * FROM t") for format_, oracle in CSV_AND_NDJSON.items()}
    conn.execute(f"ALTER DATABASE {conn.info.dbname} SET search_path = evil, pg_catalog, public".encode())
    for format_, bytes_ in expected.items():
        assert exported(dsn, "t", format=format_) == bytes_, format_


ZONES = (
    "America/New_York",
    "Asia/Kolkata",
    "Europe/Amsterdam",
    "Africa/Monrovia",
    "Australia/Lord_Howe",
    "UTC",
    "utc",
    "GMT",
    "Etc/UTC",
    "-03:30",
)


@pytest.mark.parametrize("database", ["server", "debian"])
def test_other_time_zones(request: pytest.FixtureRequest, database: str) -> None:
    """Local mean time in 1880, seconds in the offset, both sides of a change, BC and both infinities: as this server
    has its zones.
    """
    chosen = request.getfixturevalue(database)
    assert isinstance(chosen, Database)
    with chosen.database() as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "CREATE DOMAIN moment AS timestamptz; CREATE TABLE t AS SELECT v::timestamptz AS a, v::moment AS b, ARRAY[v,"
            " NULL]::timestamptz[] AS c,"
            " tstzrange(v::timestamptz, NULL) AS d, v::timestamptz::timetz AS e, '12:00+03'::timetz AS f, v::timestamptz AT TIME ZONE"
            " 'UTC' AS g"
            " FROM unnest(ARRAY['1880-01-01 00:00+00', '1880-06-01 12:00+00', '1937-06-30 23:59:59.5+00', '2026-03-08"
            " 06:59:59.999999+00', '2026-03-08 07:00+00',"
            " '2026-11-01 05:30+00', '0044-03-15 00:00+00 BC', '294276-12-31 00:00+00', 'infinity', '-infinity']) AS v"
        )
        for zone in ZONES:
            with psycopg.connect(dsn, autocommit=True) as its:
                query = "SELECT * FROM t"
                its.execute(sql.SQL("SET TimeZone = {}").format(sql.Literal(zone)))
                with its.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)".encode()) as copy:
                    expected = b"".join(bytes(part) for part in copy)
                rows = its.execute(f"SELECT row_to_json(the_row)::text FROM ({query}) AS the_row".encode()).fetchall()
            assert exported(dsn, "t", options={"timeZone": zone}) == expected, zone
            assert (
                exported(dsn, "t", format="ndjson", options={"timeZone": zone})
                == "".join(row[0] + "\n" for row in rows).encode()
            ), zone


def test_infinite_intervals(dsn: str, debian_dsn: str) -> None:
    """The bytes of ``infinity`` are a finite interval before PostgreSQL 17."""
    finite = "178956970 years 7 mons 2147483647 days 2562047788:00:54.775807"
    for its in (dsn, debian_dsn):
        with psycopg.connect(its, autocommit=True) as conn:
            if conn.info.server_version < 150000:
                continue  # It cannot read the text of these ends.
            value = "infinity" if conn.info.server_version >= 170000 else finite
            conn.execute(
                sql.SQL(
                    "CREATE TABLE t AS SELECT {0}::interval AS a, ARRAY[{0}]::interval[] AS b, {1}::interval AS c"
                ).format(value, finite.replace("7 mons", "6 mons"))
            )
            same(its, conn)


_HOURS_2_31 = 2**31 * 3_600_000_000
"""2^31 hours in microseconds: beyond it, the hours fill more than an int."""
_TIMES = (
    -(2**63),
    1 - 2**63,
    -_HOURS_2_31 - 1,
    -_HOURS_2_31,
    -1,
    0,
    59_999_999,
    _HOURS_2_31 - 1,
    _HOURS_2_31,
    _HOURS_2_31 + 1,
    2**63 - 1,
)
_COUNTS = (-(2**31), 1 - 2**31, -13, 0, 1, 2**31 - 2, 2**31 - 1)
"""Of days and of months."""


@pytest.mark.parametrize("database", ["server", "debian"])
def test_extreme_intervals(request: pytest.FixtureRequest, database: str) -> None:
    """All ends of microseconds, days and months together, also those that no text makes: stored by binary COPY, which
    takes any bits.

    Alone, in arrays, in a composite, and as text in Parquet; 17 and later print two of them as infinity.
    """
    chosen = request.getfixturevalue(database)
    assert isinstance(chosen, Database)
    if chosen.version < 150000:
        pytest.skip("before 15 the server cannot print hours that fill more than an int")
    with chosen.database() as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE TYPE span AS (i interval, t text); CREATE TABLE bits (v interval)")
        values = [struct.pack(">qii", *bits) for bits in itertools.product(_TIMES, _COUNTS, _COUNTS)]
        with conn.cursor().copy("COPY bits FROM STDIN (FORMAT binary)") as copy:
            copy.write(
                b"PGCOPY\n\xff\r\n\0"
                + bytes(8)
                + b"".join(struct.pack(">hi", 1, 16) + value for value in values)
                + b"\xff\xff"
            )
        conn.execute(
            "CREATE TABLE t AS SELECT v AS a, ARRAY[v, NULL] AS b, ROW(v, 'x')::span AS c, ARRAY[[v], [v]] AS d FROM bits"
        )
        assert scalar(conn, "SELECT count(DISTINCT a::text) FROM t") == len(values)
        same(dsn, conn)
        with export(dsn, "t", format="parquet", columns=["a", "b"]) as chunks:
            found = pq.read_table(io.BytesIO(b"".join(chunks))).to_pylist()
        assert [(row["a"], row["b"]) for row in found] == conn.execute("SELECT a::text, b::text[] FROM t").fetchall()


def test_time_zones_of_timetz(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TABLE t AS SELECT v::timetz AS a, v::timetz(2) AS b, ARRAY[v]::timetz[] AS c FROM unnest(ARRAY['00:00+00',"
        " '24:00:00-15:59:59',"
        " '23:59:59.999999+15:59:59', '12:00:00.10-00:00:01', '12:00+00:30', '12:00-00:30', '23:59:60+05:45']) AS v"
    )
    same(dsn, conn)


def test_high_bytes_of_char(dsn: str, conn: psycopg.Connection) -> None:
    r"""All 256 values of ``"char"``: a zero byte is empty text, and high bytes are written as ``\ooo``."""
    if conn.info.server_version < 150000:
        pytest.skip("before 15 the server writes the byte itself, which is no UTF-8")
    conn.execute(
        'CREATE TABLE t AS SELECT g AS id, (g - 128)::int::"char" AS c, ARRAY[(g - 128)::int::"char"] AS cs FROM generate_series(0,'
        " 255) AS g"
    )
    same(dsn, conn)
    conn.execute("ALTER TABLE t DROP id, DROP cs")
    same(dsn, conn)


def test_floats_at_the_edge_of_their_rounding_interval(dsn: str, conn: psycopg.Connection) -> None:
    """Dense from 2^24 to 2^90 in both widths, around each power of two and at whole decimals: not the digits of other
    printers.
    """
    conn.execute(
        "CREATE TABLE t AS SELECT m * 2::float8 ^ (e - 52) AS d, (m4 * 2::float8 ^ (e - 23))::float4 AS f, -(m * 2::float8 ^ (e - 52)) AS n"
        " FROM generate_series(24, 90) AS e, generate_series(0, 79) AS k,"
        " LATERAL (SELECT (4503599627370496 + CASE WHEN k < 40 THEN k ELSE (k * 104395301::bigint * 8000009) % 4503599627370496"
        " END)::float8 AS m,"
        " (8388608 + CASE WHEN k < 40 THEN k ELSE (k * 104395301::bigint) % 8388608 END)::float8 AS m4) AS mantissas"
    )
    conn.execute(
        "INSERT INTO t SELECT v, v, -v FROM (SELECT (digit || 'e' || e)::float8 AS v FROM generate_series(1, 99) AS digit,"
        " generate_series(-5, 30) AS e) AS x"
    )
    assert scalar(conn, "SELECT count(DISTINCT d) FROM t") > 5_000
    same(dsn, conn)


def test_floats_of_any_bits(dsn: str, conn: psycopg.Connection) -> None:
    """NaN with a sign, a payload or signalling, and the ends of the denormals, as another program's binary COPY may
    have stored them.
    """
    wide = (
        0x7FF8 << 48,
        0xFFF8 << 48,
        (0x7FF0 << 48) | 1,
        (0xFFF << 52) | 12345,
        1,
        (1 << 63) | 1,
        (1 << 52) - 1,
        1 << 52,
        (0x7FF << 52) - 1,
        1 << 63,
    )
    narrow = (
        0x7FC0 << 16,
        0xFFC0 << 16,
        (0x7F80 << 16) | 1,
        (0x1FF << 23) | 12345,
        1,
        (1 << 31) | 1,
        (1 << 23) - 1,
        1 << 23,
        (0xFF << 23) - 1,
        1 << 31,
    )
    conn.execute("CREATE TABLE t (d float8, f float4)")
    with conn.cursor().copy("COPY t FROM STDIN (FORMAT binary)") as copy:
        rows = b"".join(struct.pack(">hiQiI", 2, 8, eight, 4, four) for eight, four in zip(wide, narrow, strict=True))
        copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows + b"\xff\xff")
    assert scalar(conn, "SELECT count(*) FROM t WHERE d = 'NaN' AND f = 'NaN'") == 4
    conn.execute(
        "INSERT INTO t SELECT NULL, NULL; CREATE TABLE arrays AS SELECT array_agg(d) AS ds, array_agg(f) AS fs FROM t"
    )
    same(dsn, conn)
    same(dsn, conn, "arrays")


def test_oids_of_user_types_in_arrays_of_domains(dsn: str, conn: psycopg.Connection) -> None:
    """An array of a domain names the domain in its binary header, and a box's array has ``;`` between its elements."""
    conn.execute(
        "CREATE DOMAIN small AS int CHECK (VALUE < 10); CREATE DOMAIN smaller AS small; CREATE DOMAIN list AS int[]; CREATE DOMAIN"
        " lists AS list;"
        "CREATE TABLE t AS SELECT '{1,NULL,3}'::small[] AS a, '[2:3]={1,2}'::smaller[] AS b, '{{1},{2}}'::lists AS c,"
        ' \'{"{1,2}","{3}"}\'::list[] AS d,'
        " '{(1,1),(0,0);(2,2),(1,1)}'::box[] AS e, '{1 2,3}'::int2vector[] AS f"
    )
    same(dsn, conn)


def test_json_keeps_its_layout_and_stays_on_one_line(dsn: str, conn: psycopg.Connection) -> None:
    """In JSON as it was typed, also within composites and arrays; in NDJSON the line breaks become spaces."""
    document = '\'{"a" :\n\r\n [1,\t2], "a": "\\u0000\\ud800"}\'::json'
    conn.execute(
        f"CREATE TYPE holder AS (j json, t text); CREATE TABLE t AS SELECT {document} AS j, ARRAY[{document}, NULL] AS js,"
        f" ROW({document}, E'x\n')::holder AS h,"
        f" ARRAY[ROW({document}, NULL)::holder] AS hs, E'a\nb' AS t"
    )
    same(dsn, conn)
    (row,) = conn.execute("SELECT row_to_json(the_row)::text FROM t AS the_row").fetchall()
    assert exported(dsn, "t", format="json") == ("[\n" + row[0] + "\n]\n").encode()
    assert exported(dsn, "t", format="ndjson").count(b"\n") == 1


def test_settings_of_the_login_do_not_matter(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TABLE t AS SELECT 0.1::float8 AS a, '2000-01-02 03:04:05+00'::timestamptz AS b, '1 mon 2 days'::interval AS c,"
        " '\\x00ff'::bytea AS d,"
        " date '2000-01-02' AS e, 'pg_class'::regclass AS f, '<a/>'::text AS g, 12.5::money AS h"
    )
    expected = {format_: oracle(conn, "SELECT * FROM t") for format_, oracle in CSV_AND_NDJSON.items()}
    for setting in (
        "extra_float_digits = -15", "DateStyle = 'German, DMY'", "IntervalStyle = iso_8601", "bytea_output = escape",
        "TimeZone = 'Asia/Tokyo'",
        "client_encoding = LATIN1", "quote_all_identifiers = on", "standard_conforming_strings = off", "statement_timeout = '1h'",
        "row_security = off",
    ):  # fmt: skip
        conn.execute(f"ALTER DATABASE {conn.info.dbname} SET {setting}".encode())
    with export(dsn, "t") as chunks:
        assert b"".join(chunks) == expected["csv"]
    assert exported(dsn, "t", format="ndjson") == expected["ndjson"]
