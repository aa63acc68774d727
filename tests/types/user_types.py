"""Types that a user makes: domains, enums, composites and ranges, also on top of each other; and extensions."""

from __future__ import annotations

import psycopg

from tests.types.values import Value

__all__ = ["EXTENSIONS", "SAMPLES", "make_user_types"]

EXTENSIONS = ("citext", "cube", "hstore", "intarray", "isn", "lo", "ltree", "seg", "vector")
"""Those that the server has are created: contrib modules, and what the wheel brings along."""

_TYPES = """
CREATE SCHEMA "Odd schema";
CREATE TYPE mood AS ENUM ('sad', 'a "b", \\c', 'ü 😀', '', 'NULL', '=1', 'x
y');
CREATE TYPE "Odd schema"."Odd, type" AS ENUM ('a');
CREATE TYPE empty_enum AS ENUM ();
CREATE DOMAIN positive AS int4 CHECK (VALUE > 0);
CREATE DOMAIN price AS numeric(10,2);
CREATE DOMAIN deep_price AS price;
CREATE DOMAIN mood_domain AS mood;
CREATE DOMAIN words AS text[];
CREATE DOMAIN document AS jsonb;
CREATE DOMAIN moment AS timestamptz(3);
CREATE DOMAIN fixed_text AS bpchar(5);
CREATE DOMAIN address AS inet;
CREATE TYPE pair AS (a int, "B ""c" text);
CREATE TYPE nested AS (p pair, l int[], ps pair[], m mood, j json, t timestamptz, d price, n numeric, b bytea, o bool);
CREATE TYPE no_fields AS ();
CREATE DOMAIN pair_domain AS pair;
CREATE TYPE float8_range AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE TYPE text_range AS RANGE (subtype = text);
CREATE TYPE pair_range AS RANGE (subtype = pair);
CREATE TABLE row_source (id int, gone text, name text, stamp timestamp);
ALTER TABLE row_source DROP COLUMN gone;
INSERT INTO row_source VALUES (1, 'a,b', 'infinity'), (NULL, NULL, NULL);
CREATE TABLE "values of ü" (id int);
"""

SAMPLES: dict[str, tuple[Value, ...]] = {
    "positive": ("1", "2147483647"),
    "price": ("0", "-1.50", "99999999.99", "NaN"),
    "deep_price": ("0", "-1.50", "99999999.99", "NaN"),
    "words": ("{}", '{a,NULL,"b c","NULL",""}', "[5:6]={x,y}", "{{a,b},{c,d}}"),
    "document": ("{}", '{"a": [1, "x"]}', "null"),
    "pair": ("(,)", "(1,x)", '(-1,"a,b ""c"" \\\\ (d)")', '(,"")', '(0,"a\nb")', "(2,😀)"),
    "nested": (
        "(,,,,,,,,,)",
        '("(,)",{},{},sad,null,infinity,1.5,NaN,"\\\\x00ff",t)',
        '("(1,""a,b"")","{1,NULL,2}","{""(1,x)"",NULL,""(,)""}",NULL,"{""a"":\n 1, ""a"": 2}","2000-01-01 00:00+05",-1.50,1.500,,f)',
    ),
    "pair_domain": ("(,)", "(1,x)"),
    "float8_range": ("empty", "[1e23,)", "(-Infinity,-0]"),
    "text_range": ("empty", '["a,b","c""\\\\"]', "(,z)"),
    "pair_range": ("empty", '["(1,x)","(2,\\"y,z\\")"]'),
}
"""Values of these, like ``tests.types.values.VALUES``; those of enums come from the catalogue."""


def make_user_types(conn: psycopg.Connection) -> None:
    """Create types and extensions in the database of the connection."""
    available = {name for (name,) in conn.execute("SELECT name FROM pg_available_extensions").fetchall()}
    for name in EXTENSIONS:
        if name in available:
            conn.execute(f"CREATE EXTENSION {name}".encode())
    conn.execute(_TYPES.encode())
