"""Random SELECTs on one table with a column of every usual type, in all the ways in which people write them."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

__all__ = ["PAGES", "SETUP", "random_selects"]

PAGES = 1_250
"""A row each: more than one segment has."""

SETUP = f"""
CREATE SCHEMA "The Other";
CREATE TYPE "The Other".mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE FUNCTION twice(v int) RETURNS bigint IMMUTABLE LANGUAGE sql AS 'SELECT 2 * v::bigint';
CREATE FUNCTION "The Other"."Plus one"(v int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN v + 1; END';
CREATE OPERATOR "The Other".@+ (FUNCTION = "The Other"."Plus one", RIGHTARG = int);
CREATE TABLE wide (
    a int NOT NULL, gone text, b bigint, n numeric(12, 3), f float8, r real, s text, v varchar(30), c char(5),
    d date, t timestamp, z timestamptz, o time, i interval, k bool, j jsonb, x int[], m "The Other".mood, y bytea,
    u uuid, p positive, e inet, "Odd "" näme" text COLLATE "C",
    w bit(4), q int4range, pad text, g bigint GENERATED ALWAYS AS (a * 3) STORED
);
ALTER TABLE wide ALTER COLUMN pad SET STORAGE PLAIN;
INSERT INTO wide SELECT
    h, 'gone', nullif(h * 1000003::bigint % 1000, 7), h % 777 / 7.0, CASE h % 50 WHEN 0 THEN 'NaN' ELSE sqrt(h) END,
    h / 3.0, 'text ' || h % 100, CASE WHEN h % 7 <> 0 THEN 'v\\' || h % 13 END, 'c' || h % 9,
    date '2020-01-01' + h % 500, timestamp '2020-01-01' + h * interval '1 hour 1 second',
    timestamptz '2020-01-01 UTC' + h * interval '61 min', time '01:02:03.5' + h * interval '1 s',
    h * interval '1 month 1 minute', CASE h % 4 WHEN 0 THEN NULL ELSE h % 3 = 0 END,
    jsonb_build_object('a', h % 10, 'b', 'x' || h, 'l', jsonb_build_array(h, NULL, true)), ARRAY[h, h % 5, NULL],
    (ARRAY['sad', 'ok', 'happy', NULL]::"The Other".mood[])[h % 4 + 1], decode(md5(h::text), 'hex'), md5(h::text)::uuid,
    h % 9 + 1, ('10.0.' || h % 200 || '.0/24')::inet, repeat('o"', h % 5),
    (h % 16)::bit(4), int4range(h % 10, h % 10 + h % 4), repeat('p', 4500)
FROM generate_series(1, {PAGES}) AS h;
ALTER TABLE wide DROP COLUMN gone;
ALTER TABLE wide ADD COLUMN late text DEFAULT 'since';
CREATE INDEX ON wide (u);
DELETE FROM wide WHERE a % 97 = 0;
CREATE VIEW narrow AS SELECT a, b + 1 AS b, n, f, r, s, v, c, d, t, z, o, i, k, j, x, m, y, u, p, e, "Odd "" näme", g, w,
    q, late FROM wide AS source WHERE f > 3 OR v IS NULL OR m = 'sad';
CREATE VIEW "The Other"."View" AS SELECT * FROM narrow WHERE b % 3 <> 1 AND v ~ '\\d';
ANALYZE wide;
"""

_COLUMNS = {
    "int": ("a", "p", "length(s)"),
    "bigint": ("b", "g"),
    "numeric": ("n",),
    "float": ("f", "r"),
    "text": ("s", "v", "c", '"Odd "" näme"', "late"),
    "date": ("d",),
    "timestamp": ("t",),
    "timestamptz": ("z",),
    "interval": ("i",),
    "bool": ("k",),
    "jsonb": ("j",),
    "ints": ("x",),
    "mood": ("m",),
    "bytea": ("y",),
    "uuid": ("u",),
    "inet": ("e",),
    "bits": ("w",),
    "range": ("q",),
    "time": ("o",),
}
_LITERALS = {
    "int": ("5", "-3", "0", "'42'", "1 + 1", "NULL::int", "3::smallint", "'7'::positive"),
    "bigint": ("500", "9007199254740993", "-1::bigint"),
    "numeric": ("1.50", "0.1", "'1e3'::numeric(10, 2)", "'NaN'::numeric", "12345678901234567890.5"),
    "float": ("0.1::float8", "'1e-300'::float8", "'-Infinity'::float8", "3.4::real", "1e15::float8"),
    "text": ("'it''s'", "E'a\\\\b'", "$q$do$llar$q$", "'%1_'", "''", "'where from'", "'é\"'", "NULL", "'x'::char(3)"),
    "date": ("'2020-06-01'", "date '2021-02-28'", "'infinity'::date", "make_date(2020, 3, 4)"),
    "timestamp": ("'2020-06-01 12:00:00.123456'::timestamp", "timestamp '2020-02-29'"),
    "timestamptz": (
        "'2020-06-01 12:00+02'::timestamptz",
        "timestamptz '2020-01-05 Europe/Berlin'",
        "to_timestamp(1.6e9)",
    ),
    "interval": (
        "interval '1 day -2 hours'",
        "'1 mon 3.5 s'::interval",
        "interval '90' minute",
        "make_interval(days => 3)",
    ),
    "bool": ("true", "false", "NULL::bool"),
    "jsonb": ("'{\"a\": [1, 2.50]}'::jsonb", "'null'::jsonb", "jsonb_build_object('z', 1)"),
    "ints": ("'{1,2,NULL}'::int[]", "ARRAY[3, 4]"),
    "mood": ("'ok'", "'happy'::\"The Other\".mood"),
    "bytea": ("'\\x00ff'::bytea", "decode('00', 'hex')"),
    "uuid": ("'c4ca4238-a0b9-2382-0dcc-509a6f75849b'::uuid",),
    "inet": ("'10.0.7.0/24'::inet", "'::1'::inet"),
    "bits": ("B'1010'", "X'5'"),
    "range": ("'[3,8)'::int4range", "int4range(1, NULL)"),
    "time": ("'03:04'::time", "time '01:20:00.25'"),
}
_CALLS = {
    "int": (
        "{int} + {int} % 100", "abs({int})", "twice({int})::int", '"The Other"."Plus one"({int})', "length({text})",
        'OPERATOR("The Other".@+) {int}', "coalesce({int}, 0)", "CASE WHEN {bool} THEN {int} ELSE 7 END",
        "extract(year FROM {timestamp})::int", "greatest({int}, {int})", "nullif({int}, {int})", "{jsonb} ->> 'a'",
        "cardinality({ints})", "({ints})[1]", "position('t' IN {text})", "{date} - {date}", "strpos({text}, 'x')",
    ),
    "bigint": ("{bigint} % 1000 + {int}", "twice({int})", "{int}::bigint", "coalesce({bigint}, {int})"),
    "numeric": ("{numeric} * 2.5", "round({numeric}, 1)", "{int} / 3.0", "{int}::numeric(20, 4)", "trunc({numeric})"),
    "float": ("{float} * 0.1", "{int}::float8 / 3", "floor({float})", "{numeric}::real"),
    "text": (
        "upper({text})", "{text} || {text}", "left({text}, 4)", "{int}::text", "substring({text} FROM 2 FOR 3)",
        "coalesce({text}, {text})", "trim(both 't' from {text})", "to_char({timestamp}, 'YYYY-MM')", "{mood}::text",
        "{timestamptz}::text", "{numeric}::text", "{interval}::text", "md5({text})", "overlay({text} placing 'Q' from 2)",
        "format('%s-%I', {int}, {text})", "concat({text}, {int}, {date})", "{jsonb} ->> 'b'", "{float}::text",
        '{text} COLLATE "C"', "encode({bytea}, 'hex')", "array_to_string({ints}, ',')", "{uuid}::text",
        "CASE {int} WHEN 1 THEN {text} WHEN 2 THEN 'two' END", "replace({text}, 't', 'from where')", "{bool}::text",
        "row({int}, {text})::text", "{range}::text", "{inet}::text", "{bytea}::text", "split_part({text}, ' ', 1)",
    ),
    "date": ("{timestamp}::date", "{date} + {int} % 100", "date_trunc('month', {timestamptz})::date", "z::date"),
    "timestamp": (
        "{date} + interval '1 hour'", "date_trunc('hour', t)", "z AT TIME ZONE 'Europe/Berlin'", "d::timestamp",
    ),
    "timestamptz": ("{timestamptz} + {interval}", "t AT TIME ZONE 'America/New_York'", "date_trunc('day', z)"),
    "interval": ("{timestamp} - {timestamp}", "{interval} * 2", "justify_hours({interval})"),
    "bool": (
        "{int} > {int}", "{bigint} = {int}", "{text} LIKE {text}", "{text} ~ '^t.*\\d$'", "{date} < {timestamp}",
        "{timestamptz} >= {date}", "{int} IS DISTINCT FROM {int}", "{text} IS NULL", "NOT {bool}", "{bool} OR {bool}",
        "{bool} AND {bool}", "{int} IN (1, 2, {int})", "{int} BETWEEN {int} AND {int}", "{float} <= {numeric}",
        "{jsonb} @> '{{\"a\": 3}}'", "{int} = ANY ({ints})", "{mood} = {mood}", "({int}, {text}) < (5, 'm')", "{text} < {text}",
        "{bool} IS NOT TRUE", "{text} ILIKE '%T%'", "{range} @> {int}", "{inet} << '10.0.0.0/9'", "{text} IN ('v1', {text})",
        "{jsonb} ? 'a'", "{interval} > {interval}", "{text} SIMILAR TO '%(1|2)'", "{bits} & B'0001' = B'0001'",
        "{timestamp} - interval '1 week' > {date}", "{uuid} > {uuid}", "{time} < {time}",
    ),
    "jsonb": ("{jsonb} -> 'l'", "to_jsonb({int})", "jsonb_build_object('k', {text})", "{jsonb} || {jsonb}", "{text}::text::jsonb"),
    "ints": ("{ints} || {int}", "ARRAY[{int}, {int}]", "array_append({ints}, 3)", "({ints})[1:2]"),
    "bytea": ("{bytea} || {bytea}", "convert_to({text}, 'UTF8')", "substring({bytea} from 1 for 3)"),
    "inet": ("network({inet})", "set_masklen({inet}, 8)"),
    "time": ("t::time", "{time} + interval '1 min'"),
}  # fmt: skip
"""``{type}`` stands for an expression of that type. Some give an error: the server's own then decides."""
_SOURCES = (
    ("wide", "wide"), ("public.wide", "wide"), ("wide AS from_where", "from_where"), ("wide x", "x"), ("ONLY wide", "wide"),
    ('"wide" "T t"', '"T t"'), ("narrow", "narrow"), ('"The Other"."View" AS q', "q"), ('/* FROM a */ "narrow" r', "r"),
)  # fmt: skip
_NAMES = ("", "", " AS c", ' AS "where"', " AS from_", " label", ' AS "a ""b"" FROM"', " AS ctid_")
_WHOLE = (
    "SELECT DISTINCT {list} {rest}",
    "SELECT count(*), max(a) {rest}",
    "SELECT k, count(*) {rest} GROUP BY k HAVING count(*) > 1",
    "SELECT {list} {rest} ORDER BY a DESC",
    "SELECT {list} {rest} ORDER BY a LIMIT 40 OFFSET 3",
    "SELECT {list}, row_number() OVER (ORDER BY a) {rest}",
    "SELECT a, generate_series(1, a % 3) {rest}",
    "SELECT a FROM wide UNION ALL SELECT a {rest}",
    "WITH w AS (SELECT * {rest}) SELECT a, s FROM w WHERE a > 10",
    "SELECT a, (SELECT max(b) FROM wide AS y WHERE y.a < 5) {rest}",
    "SELECT a FROM (SELECT a, s {rest}) AS sub WHERE a % 2 = 0",
    "TABLE narrow",
)
"""Statements that are more than one scan, or written in another form."""


def random_selects(seed: int) -> Iterator[str]:
    """SELECTs without end, always the same for a seed."""
    random = Random(seed)
    while True:
        source, alias = random.choice(_SOURCES)
        list_ = ", ".join(_column(random, alias) for _ in range(random.randint(1, 7)))
        if random.random() < 0.08:
            list_ = random.choice(("*", f"{alias}.*", f"a, {alias}.s"))
        rest = f"FROM {source}"
        if random.random() < 0.75:
            rest += (
                f" {random.choice(('WHERE', 'where', '-- where' + chr(10) + 'Where'))} {_expression(random, 'bool', 3)}"
            )
        if random.random() < 0.1:
            yield random.choice(_WHOLE).replace("{list}", list_).replace("{rest}", rest)
        else:
            yield f"{random.choice(('SELECT', 'select all', '/* SELECT */ Select'))} {list_}\n{rest}" + random.choice(
                ("", "", " -- the end", ";", " /* FROM where */ ;")
            )


def _column(random: Random, alias: str) -> str:
    kind = random.choice(list(_COLUMNS))
    if random.random() < 0.3:
        column = random.choice(_COLUMNS[kind])
        return (f"{alias}.{column}" if "(" not in column else column) + random.choice(_NAMES)
    return _expression(random, kind, 3) + random.choice(_NAMES)


def _expression(random: Random, kind: str, depth: int) -> str:
    calls = _CALLS.get(kind, ())
    if depth == 0 or not calls or random.random() < 0.25:
        return random.choice(_COLUMNS[kind] if random.random() < 0.7 else _LITERALS[kind])
    template = random.choice(calls)
    parts: dict[str, str] = {}
    pieces = template.replace("{{", "\1").replace("}}", "\2").split("{")
    text = pieces[0]
    for piece in pieces[1:]:
        name, _, after = piece.partition("}")
        parts[name] = _expression(random, name, depth - 1)
        text += parts[name] + after
    return "(" + text.replace("\1", "{").replace("\2", "}") + ")"
