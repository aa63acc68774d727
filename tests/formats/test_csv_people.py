"""CSV for people: the values that options write otherwise than the server does, against the server's own functions."""

from __future__ import annotations

import csv
import io
from typing import Any

import psycopg
import pytest

from polyglot_export import SpecError
from polyglot_export.formats.spreadsheets import PROFILES
from tests.library.helpers import copied, exported

NUMBERS = (
    "SELECT v::float8 AS f8, v::float4 AS f4, v::numeric AS n, v::numeric(20,3) AS p, ARRAY[v::numeric, 1.5] AS a,"
    " jsonb_build_object('x', v::numeric) AS j, 12.5::numeric::money AS m, 'a,b 1.5' AS t FROM unnest(ARRAY["
    "'0', '-0.5', '1.5', '1234567.125', '100', '0.00001', '-123456789.987', 'NaN']::text[]) AS v"
)


@pytest.mark.parametrize("delimiter", [None, ",", "\t"])
def test_a_decimal_comma(dsn: str, conn: psycopg.Connection, delimiter: str | None) -> None:
    """Of numbers alone. The delimiter is a semicolon then, unless another is given; a comma makes quotes."""
    conn.execute(f"CREATE TABLE t AS {NUMBERS}; INSERT INTO t (n) VALUES (NULL), (1e40), ('Infinity')".encode())
    options = {"decimalComma": True} | ({"delimiter": delimiter} if delimiter is not None else {})
    commas = [f"translate({name}::text, '.', ',') AS {name}" for name in ("f8", "f4", "n", "p")]
    expected = copied(conn, f"SELECT {', '.join(commas)}, a, j, m, t FROM t", f"HEADER, DELIMITER '{delimiter or ';'}'")
    assert exported(dsn, "t", options=options) == expected
    assert b"1234567,125" in expected


def test_a_decimal_comma_with_many_columns(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TABLE t AS SELECT g / 8.0::float8 AS a, g / 16.0::numeric AS b FROM generate_series(-500, 500) AS g"
    )
    expected = copied(
        conn,
        "SELECT translate(a::text, '.', ',') AS a, translate(b::text, '.', ',') AS b FROM t",
        "HEADER, DELIMITER ';'",
    )
    assert exported(dsn, "t", options={"decimalComma": True}) == expected
    assert exported(dsn, "t", format="tsv", options={"decimalComma": True}) == expected.replace(b";", b"\t")


@pytest.mark.parametrize("digits", [0, 1, 2, 3, 17, 30])
def test_digits_of_floats(dsn: str, conn: psycopg.Connection, digits: int) -> None:
    """As printf rounds, of the exact value; other numbers keep theirs."""
    values = [
        "0.5",
        "1.5",
        "2.5",
        "-2.5",
        "0.125",
        "0.375",
        "1.005",
        "-0.001",
        "-0",
        "1e22",
        "1e-7",
        "123456.789",
        "3.4e38",
    ]
    conn.execute(
        "CREATE TABLE t AS SELECT v::float8 AS a, v::float4 AS b, v::numeric AS n, ARRAY[v::float8] AS l"
        f" FROM unnest('{{{','.join(values)}}}'::text[]) AS v; INSERT INTO t VALUES ('NaN', '-Infinity'), (NULL, NULL)".encode()
    )
    rows = conn.cursor(binary=True).execute("SELECT a, b FROM t").fetchall()
    found = list(csv.reader(io.StringIO(exported(dsn, "t", options={"floatDigits": digits}).decode())))[1:]
    for (a, b), line in zip(rows[: len(values)], found, strict=False):
        assert line[:2] == [f"{a:.{digits}f}", f"{b:.{digits}f}"]
    assert [line[:2] for line in found[len(values) :]] == [["NaN", "-Infinity"], ["", ""]]
    assert exported(dsn, "t", columns=["n", "l"], options={"floatDigits": digits}) == copied(conn, "SELECT n, l FROM t")


@pytest.mark.parametrize(
    ("words", "yes", "no"), [("t/f", "t", "f"), ("true/false", "true", "false"), ("1/0", "1", "0")]
)
def test_words_for_booleans(dsn: str, conn: psycopg.Connection, words: str, yes: str, no: str) -> None:
    """Also with a null string or a delimiter that is one of them, where COPY puts quotes."""
    conn.execute(
        "CREATE DOMAIN flag AS bool; CREATE TABLE t AS SELECT v AS a, v::flag AS b, ARRAY[v] AS c, v::text AS d"
        " FROM unnest('{t,f,NULL}'::bool[]) AS v"
    )
    query = f"SELECT CASE WHEN a THEN '{yes}' WHEN NOT a THEN '{no}' END AS a, CASE WHEN b THEN '{yes}' WHEN NOT b THEN '{no}' END AS b, c, d FROM t"
    for options, of_copy in (
        ({}, ""),
        ({"null": yes}, f", NULL '{yes}'"),
        ({"forceQuote": ["a"]}, ", FORCE_QUOTE (a)"),
    ):
        assert exported(dsn, "t", options={"booleans": words, **options}) == copied(conn, query, "HEADER" + of_copy)


PATTERNS = [
    ("%d.%m.%Y %H:%M:%S", "DD.MM.YYYY HH24:MI:SS"),
    ("%m/%d/%y %I:%M %p", "MM/DD/YY HH12:MI AM"),
    ("%FT%T.%f", 'YYYY-MM-DD"T"HH24:MI:SS.US'),
    ("%A, %d %B %Y", "FMDay, DD FMMonth YYYY"),
    ("%a %b %j", "Dy Mon DDD"),
    ("100%% é %Y;%m", "100% é YYYY;MM"),
]
TIMES = (
    "2026-07-01 12:00+00,2026-01-01 00:00:00+00,2026-12-31 23:59:59.999999+00,2024-02-29 13:05:09.5+00,2024-03-01 12:00+00,"
    "0001-01-01 00:00+00,9999-12-31 00:00+00,12345-06-07 08:09:10.000001+00,1900-03-01 01:00+00,2000-12-31 11:59+00,NULL"
)


@pytest.mark.parametrize(("pattern", "of_server"), PATTERNS)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu"])
def test_times_by_a_pattern(dsn: str, conn: psycopg.Connection, pattern: str, of_server: str, zone: str) -> None:
    """As ``to_char`` has them; what is more than a time stays."""
    conn.execute(
        f"CREATE TABLE t AS SELECT v AS a, v::timestamp AS b, ARRAY[v::timestamp] AS c, v::date AS d FROM unnest('{{{TIMES}}}'::timestamptz[]) AS v".encode()
    )
    in_zone = f"a AT TIME ZONE '{zone}'"
    query = f"SELECT to_char({in_zone}, $${of_server}$$) AS a, to_char(b, $${of_server}$$) AS b, c, d FROM t"
    assert exported(dsn, "t", options={"timestampFormat": pattern, "timeZone": zone}) == copied(conn, query)


@pytest.mark.parametrize(
    ("pattern", "of_server"),
    [("%d.%m.%Y", "DD.MM.YYYY"), ("%y%m%d %a %A %b %B %j", "YYMMDD Dy FMDay Mon FMMonth DDD"), ("%F", "YYYY-MM-DD")],
)
def test_dates_by_a_pattern(dsn: str, conn: psycopg.Connection, pattern: str, of_server: str) -> None:
    """Every day of some years, leap years among them."""
    conn.execute(
        "CREATE TABLE t AS SELECT d::date AS d, ARRAY[d::date] AS a, d::timestamp AS t FROM"
        " generate_series('1999-01-01'::timestamp, '2001-12-31', '1 day') AS d;"
        "INSERT INTO t SELECT d::date FROM generate_series('1899-12-01'::timestamp, '1900-12-31', '1 day') AS d"
    )
    expected = copied(conn, f"SELECT to_char(d, $${of_server}$$) AS d, a, t FROM t")
    assert exported(dsn, "t", options={"dateFormat": pattern}) == expected


def test_what_has_no_place_in_a_pattern_is_as_the_server_prints_it(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TABLE t AS SELECT v::timestamp AS a, v::timestamptz AS b, v::date AS c FROM"
        " unnest('{infinity,-infinity,0044-03-15 00:00 BC,0001-12-31 23:00 BC,4713-01-01 00:00 BC}'::text[]) AS v"
    )
    expected = copied(conn, "SELECT a, b::timestamp AS b, c FROM t")
    assert b" BC" in expected
    assert exported(dsn, "t", options={"dateFormat": "%d.%m.%y", "timestampFormat": "%d.%m.%y"}) == expected


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"timestampFormat": "%Y %z"}, "allowed are %Y .* and %%, not %z"),
        ({"timestampFormat": "100%"}, "allowed are"),
        ({"timestampFormat": ""}, "1 to 100 characters"),
        ({"timestampFormat": "%Y\n"}, "on one line"),
        ({"dateFormat": "%H"}, "allowed are .* not %H"),
        ({"dateFormat": "%%%"}, "allowed are"),
        ({"floatDigits": -1}, "from 0 to 30"),
        ({"floatDigits": 31}, "from 0 to 30"),
        ({"floatDigits": "1.5"}, "from 0 to 30"),
        ({"floatDigits": "99999999999999999999"}, "from 0 to 30"),
        ({"floatDigits": True}, "from 0 to 30"),
        ({"booleans": "yes/no"}, "'t/f', 'true/false' or '1/0'"),
        ({"profile": "excel-xx"}, "'excel-de'"),
    ],
)
def test_a_wrong_option_says_what_is_allowed(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(SpecError, match=reason) as caught:
        exported(None, "t", options=options)
    assert caught.value.field == f"options.{next(iter(options))}"


KEPT = """
00123|0|-5|+49|1E5|1e-5|2310009E13|1,234.50|1.234,50|1 234,50|1'234.50|.5|5.|12 %|50%|(5)|$1,000|1,50 €|5-| 5 |１２３
3-4|3/4|1 3/4|1 123/456|2026-11-27|27.11.2026|1/2/26|11-2026|2026-11-27 10:00|27.11.2026 1:30:05.5 pm|3月4日|2026年3月4日
Mar 4|4-Mar|4 March 2026|MARCH1|SEPT2|DEC1|Mar-26|March 4, 2026|1:30|25:00:01|5 p|5 am|1:30 PM|17:|2/3 18:|3/4 10:00|3/4 5 pm|4.3. 10:00|TRUE|false|True
#N/A|#REF!|#DIV/0!
"""
"""What some Excel does not take for text (Microsoft, "Text or Number Converted to Unintended Number Format", Q159491;
Ziemann et al., "Gene name errors are widespread in the scientific literature", 2016)."""
LEFT = """
abc|a1|1a|12e|e5|1E|1E5E5|192.168.0.1|10.0.0.1|555-1234|978-3-16-148410-0|12345-6789|1.2.3.4|12 34|1,2,3 and 4|--
Marketing 4|May|Mar 4 5 6|4 Mars|true false|truth|x1:30|1:30 x|1:2:3:4|:|#1|#N/B|5 x|a p|é|é5|$|%|(|-| |2026-11-27T10:00:00Z
f47ac10b-58cc-4372-a567-0e02b2c3d479|1 "2"|wahr|4. März
"""


def _texts(lines: str) -> list[str]:
    return [text for line in lines.strip("\n").split("\n") for text in line.split("|")]


def test_texts_that_a_spreadsheet_would_change(dsn: str, conn: psycopg.Connection) -> None:
    kept, left = _texts(KEPT), _texts(LEFT)
    conn.execute(
        "CREATE EXTENSION citext; CREATE DOMAIN word AS text; CREATE TABLE t (id serial, v text, w word, b varchar, c citext)"
    )
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO t (v, w, b, c) VALUES (%s, %s, %s, %s)", [(each,) * 4 for each in (*kept, *left)]
        )
    file = exported(dsn, "t", order_by=["id"], options={"keepText": True, "lineEnd": "lf"})
    rows = list(csv.reader(io.StringIO(file.decode())))[1:]
    wrong = [text for text, row in zip(kept, rows, strict=False) if row[1:4] != [f'="{text}"'] * 3]
    assert wrong == []
    wrong = [text for text, row in zip(left, rows[len(kept) :], strict=True) if row[1:] != [text] * 4]
    assert wrong == []
    by_server = {text for text, row in zip(kept, rows, strict=False) if row[4] == text}
    assert by_server == {"$1,000", "1,50 €"}, "money is text of the server too, and is to stay a number"


def test_what_is_no_text_stays(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TABLE t AS SELECT 5 AS i, 1.50 AS n, 1e5::float8 AS f, true AS b, now()::date AS d, now() AS tz, '1 day'::interval AS v,"
        " '01:30'::time AS ti, '5'::jsonb AS j, '{00123,1E5}'::text[] AS a, 12.5::numeric::money AS m, '\\x31'::bytea AS y, NULL::text AS t"
    )
    assert exported(dsn, "t", options={"keepText": True}) == copied(conn, "SELECT * FROM t")
    conn.execute(
        "CREATE TYPE size AS ENUM ('1-2', 'x'); CREATE TABLE u AS SELECT '1-2'::size AS e, '00101'::varbit AS b, '5'::\"char\" AS c, '7'::name AS n,"
        " '10.0.0.0/8'::inet AS i, '005'::bpchar(3) AS p"
    )
    wrapped = "SELECT '=\"1-2\"' AS e, '=\"00101\"' AS b, '=\"5\"' AS c, '=\"7\"' AS n, i, '=\"005\"' AS p FROM u"
    assert exported(dsn, "u", options={"keepText": True}) == copied(conn, wrapped)


def test_the_guard_comes_behind_what_is_kept(dsn: str, conn: psycopg.Connection) -> None:
    """A number is kept as text; anything else that would run gets the apostrophe, long text too."""
    conn.execute(
        "CREATE TABLE t AS SELECT v FROM unnest(ARRAY['-5', '-5+1', '=1', '@x', '+', E'\\t5', repeat('5', 255), repeat('5', 256),"
        " '=' || repeat('x', 70000), repeat('5', 70000)]) AS v"
    )
    options = {"keepText": True, "formulaGuard": True}
    expected = (
        "SELECT CASE WHEN v ~ '^[ \\t]*-?\\d+$' AND length(v) < 256 THEN '=\"' || v || '\"'"
        " WHEN left(v, 1) IN ('=', '+', '-', '@') THEN '''' || v ELSE v END AS v FROM t"
    )
    assert exported(dsn, "t", options=options) == copied(conn, expected)


@pytest.mark.parametrize("profile", PROFILES)
def test_what_a_profile_stands_for(dsn: str, conn: psycopg.Connection, profile: str) -> None:
    """The same as its options one by one, and the words of its country."""
    country = PROFILES[profile]  # type: ignore[index]
    conn.execute(
        "CREATE TABLE t AS SELECT 1.5::float8 AS f, 1.25 AS n, 1234567890123456.5 AS long, now() AS at, '=x' AS g, true AS b, NULL AS nothing"
    )
    point = "translate({0}::text, '.', ',')" if country.decimal_comma else "{0}::text"
    query = (
        f"SELECT {point.format('f')} AS f, {point.format('n')} AS n, '=\"' || {point.format('long')} || '\"' AS long,"
        " at::timestamp AS at, '''=x' AS g, b, nothing FROM t"
    )
    expected = copied(conn, query, f"HEADER, DELIMITER '{country.delimiter}'").replace(b"\n", b"\r\n")
    assert exported(dsn, "t", options={"profile": profile}) == b"\xef\xbb\xbf" + expected
    tabs = exported(dsn, "t", format="tsv", options={"profile": profile})
    assert tabs.split(b"\r\n")[0].decode("utf-8-sig").split("\t") == ["f", "n", "long", "at", "g", "b", "nothing"]
    words = [*country.truth_words.upper().split(), *(f"4. {each.title()} 2026" for each in country.month_words.split())]
    conn.execute("CREATE TABLE words AS SELECT unnest(%s::text[]) AS t", [words])
    found = exported(dsn, "words", options={"profile": profile, "bom": False, "lineEnd": "lf", "header": False})
    assert found.decode() == "".join(f'"=""{word}"""\n' for word in words)


def test_an_option_wins_over_the_profile(dsn: str) -> None:
    def written(**options: Any) -> bytes:
        query = "SELECT 1.5 AS n, '007' AS t"
        return exported(
            dsn, query=query, options={"profile": "excel-de", "bom": False, "lineEnd": "lf", "header": False, **options}
        )

    assert written() == b'1,5;"=""007"""\n'
    assert written(keepText=False) == b"1,5;007\n"
    assert written(decimalComma=False, keepText=False) == b"1.5;007\n"
    assert written(delimiter=",", keepText=False) == b'"1,5",007\n'
