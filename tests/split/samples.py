"""The tables of the folder, and the values of each type that are hard to share out."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.library.helpers import exported

__all__ = ["COLLATIONS", "TABLES", "VALUES", "filled_types", "same_rows", "table_of"]

COLLATIONS = b"""
CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE COLLATION german (provider = icu, locale = 'de');
"""
TABLES = b"""
CREATE EXTENSION citext;
CREATE TYPE hue AS ENUM ('red', 'green', 'blue', 'a "quoted", {one}');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN percent AS numeric CHECK (VALUE BETWEEN 0 AND 100);
CREATE DOMAIN hues AS hue;

CREATE TABLE orders (
    id int PRIMARY KEY, customer int, state text, amount numeric(10, 2), weight float8, made timestamptz, note text COLLATE "C"
);
INSERT INTO orders SELECT g, g % 97, (ARRAY['new', 'paid', 'sent', NULL])[1 + g % 4], g * 1.25, g / 3.0,
    '2026-01-01'::timestamptz + g * interval '1 minute', 'n' || g % 50 FROM generate_series(1, 4000) AS g;
CREATE INDEX ON orders (customer);
CREATE TABLE customers (id int PRIMARY KEY, name text);
INSERT INTO customers SELECT g, 'customer ' || g FROM generate_series(0, 96) AS g;

CREATE VIEW joined AS SELECT o.*, c.name FROM orders AS o JOIN customers AS c ON c.id = o.customer;
CREATE VIEW guarded WITH (security_barrier) AS SELECT * FROM orders WHERE amount > 100;
CREATE MATERIALIZED VIEW kept AS SELECT * FROM orders WHERE customer <> 3;
CREATE TABLE parent (LIKE orders);
INSERT INTO parent SELECT * FROM orders WHERE id <= 2000;
CREATE TABLE child () INHERITS (parent);
INSERT INTO child SELECT * FROM orders WHERE id > 1500;
CREATE TABLE parts (LIKE orders) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (1000);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (1000) TO (3000);
CREATE TABLE parts_3 PARTITION OF parts FOR VALUES FROM (3000) TO (MAXVALUE);
INSERT INTO parts SELECT * FROM orders;
CREATE VIEW of_parts AS SELECT id, customer, state FROM parts;
CREATE EXTENSION file_fdw;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE foreign_rows (id int, word text)
    SERVER files OPTIONS (program 'for i in $(seq 1 300); do echo "$i,w$((i % 7))"; done', format 'csv');

CREATE TABLE loose (id int PRIMARY KEY, customer int, any_number numeric, blanks bpchar, span interval);
INSERT INTO loose SELECT g, g % 97, CASE g % 3 WHEN 0 THEN g % 7 ELSE (g % 7 || '.00')::numeric END, 'a' || repeat(' ', g % 3),
    CASE g % 2 WHEN 0 THEN interval '1 day' ELSE interval '24 hours' END FROM generate_series(1, 600) AS g;
CREATE SEQUENCE next_number;
CREATE VIEW climbing AS WITH RECURSIVE x(id) AS (SELECT 1 UNION SELECT id + 1 FROM x WHERE id < 200) SELECT * FROM x;

CREATE FUNCTION odd(int) RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN $1; END';
CREATE FUNCTION steady(int) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN $1; END';
CREATE FUNCTION unlike(int, int) RETURNS bool LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN $1 <> $2; END';
CREATE OPERATOR <~> (LEFTARG = int, RIGHTARG = int, FUNCTION = unlike);
"""

VALUES: dict[str, str] = {
    "bool": "true, false",
    "int2": "-32768, 32767, 0, 7, 7, 7",
    "int8": "-9223372036854775808, 9223372036854775807, 0, 1, 2, 3",
    "numeric": "'NaN', 'Infinity', '-Infinity', 1.0, 1.00, 1e30, -1e-30, 12345.6789",
    "numeric(6, 2)": "'NaN', 1.25, 1.5, -9999.99",
    "float4": "'NaN', 'Infinity', '-Infinity', 0, '-0', 1e-40, 1.1, 16777217",
    "float8": "'NaN', 'Infinity', '-Infinity', 0, '-0', 5e-324, 0.1, 1.7976931348623157e308",
    "money": "1.5, -3, 92233720368547758.07",
    "text": "'', ' ', 'a', 'A', 'b', U&'\\00e4', U&'\\0001F600', 'it''s \\ \"so\"', E'line\\nbreak', 'zz'",
    "varchar(5)": "'', 'a', 'abcde', 'b '",
    "char(4)": "'', 'a', 'abcd', 'b  '",
    '"char"': "'a', 'b', ''",
    "name": "'a', 'B', ''",
    "citext": "'a', 'A', 'b', 'B', ''",
    "text COLLATE blind": "'a', 'A', 'b', 'B', U&'\\00e4', 'ae', ''",
    'text COLLATE "C"': "'a', 'A', 'b', 'B', U&'\\00e4', '_'",
    "text COLLATE german": "'a', 'A', 'b', 'B', U&'\\00e4', '_', 'a b', 'ab'",
    "bytea": "'', '\\x00', '\\xff', '\\x0001', 'abc'",
    "date": "'-infinity', 'infinity', '4713-01-01 BC', '2026-11-28', '5874897-12-31'",
    "time": "'00:00', '24:00', '12:34:56.789012'",
    "timetz": "'00:00+14', '12:00-11', '24:00+00'",
    "timestamp": "'-infinity', 'infinity', '2026-11-28 01:02:03.456789', '0001-01-01 BC'",
    "timestamptz": "'-infinity', 'infinity', '2026-11-28 01:02:03.456789+03', '294276-12-31 23:59:59+00'",
    "interval": "'24 hours', '1 day', '1 month', '30 days', '-1 second', '1 year 2 mons 3.5 secs'",
    "uuid": "'00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
    "inet": "'10.0.0.1', '10.0.0.0/8', '::1', '255.255.255.255'",
    "cidr": "'10.0.0.0/8', '::/0'",
    "macaddr": "'08:00:2b:01:02:03', 'ff:ff:ff:ff:ff:ff'",
    "bit(3)": "B'000', B'111', B'010'",
    "varbit": "B'', B'1', B'0101'",
    "oid": "0, 4294967295, 26",
    "regclass": "'orders', 'pg_class'",
    "pg_lsn": "'0/0', '16/B374D848'",
    "hue": "'red', 'green', 'blue', 'a \"quoted\", {one}'",
    "hues": "'red', 'blue'",
    "percent": "0, 50.5, 100",
    "jsonb": "'null', '1', '1.0', '\"a\"', '{\"a\": [1, 2]}', '[]'",
    "int[]": "'{}', '{1,2}', '{1,NULL}', '{{1},{2}}', '{NULL}'",
    "text[]": "'{}', '{a,\"b,c\",\"\\\"q\\\"\"}', '{NULL,x}'",
    "hue[]": "'{red,blue}', '{}', '{NULL}'",
    "numeric[]": "'{NaN}', '{1.0}', '{1.00}', '{Infinity}'",
    "int4range": "'empty', '[1,5)', '(,)', '[1,)', '(,7)'",
    "tstzrange": "'empty', '[2026-01-01,2026-02-01)', '(,infinity)'",
    "int4multirange": "'{}', '{[1,3),[5,9)}', '{(,)}'",
    "pair": "'(1,x)', '(,)', '(1,)', '(2,\"a,b\")'",
    "tsvector": "'', 'a:1 b:2', 'cat'",
}
"""Types with an order, each with values that differ little, look alike or are equal without being the same."""


def table_of(type_: str) -> str:
    """What the table of a type is called."""
    return f"t_{list(VALUES).index(type_)}"


def filled_types(conn: psycopg.Connection, *, icu: bool) -> None:
    """A table for each type: every value three times, and NULL twice."""
    for type_, values in VALUES.items():
        if not icu and type_.endswith(("blind", "german")):
            continue
        base = type_.partition(" COLLATE")[0]
        rows = ", ".join(f"(({value})::{base})" for value in _listed(values))
        table = table_of(type_)
        conn.execute(
            f"CREATE TABLE {table} (v {type_}, n int GENERATED ALWAYS AS IDENTITY);"
            f"INSERT INTO {table} (v) SELECT v.v FROM (VALUES {rows}) AS v(v), generate_series(1, 3);"
            f"INSERT INTO {table} (v) VALUES (NULL), (NULL); CREATE INDEX ON {table} (v)".encode()
        )


def _listed(values: str) -> list[str]:
    """The values between the commas that are in no string."""
    found, inside = [""], False
    for letter in values:
        inside ^= letter == "'"
        if letter == "," and not inside:
            found.append("")
        else:
            found[-1] += letter
    return [each.strip() for each in found]


def same_rows(dsn: str, source: str | None = None, **what: Any) -> bool:
    """Whether the parts have the rows that one statement gives, each as often, with one worker and with several."""
    split = {name: what.pop(name) for name in ("split_by", "split_values") if name in what}
    form = {"format": "ndjson"} | what
    whole = sorted(exported(dsn, source, **form).splitlines())
    one = exported(dsn, source, workers=1, **split, **form)
    several = exported(dsn, source, workers=4, **split, **form)
    return len(whole) > 1 and sorted(one.splitlines()) == whole and sorted(several.splitlines()) == whole
