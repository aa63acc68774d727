"""Whether expressions have the same values whoever evaluates them: workers are sessions of their own, whose
transactions begin at other times.

What is not known to be the same is not. A function must be immutable, or one of those that are stable only because they
read settings, which all sessions of an export share. The server's own words are read, from EXPLAIN: they name every
function and every cast, also those of views and of SQL functions that were put in their place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from psycopg import sql

from polyglot_export.planning.expression_words import Cast, Words, expression_words, tokens
from polyglot_export.postgres.leader import FIRST_USER_OID, Leader

__all__ = ["MOVING_WORDS", "moving_expression", "moving_literal"]

_BY_SETTINGS = (
    *("array_to_json", "json_build_array", "json_build_object", "jsonb_build_array", "jsonb_build_object"),
    *("row_to_json", "to_json", "to_jsonb", "array_to_string", "concat", "concat_ws", "format", "length"),
    *("convert_from", "convert_to"),
    *("quote_literal", "quote_nullable", "to_char", "to_date", "to_number", "to_timestamp", "numeric"),
    *("date", "date_add", "date_part", "date_subtract", "date_trunc", "extract", "overlaps"),
    *("time", "timestamp", "timestamptz", "timezone"),
    *("phraseto_tsquery", "plainto_tsquery", "to_tsquery", "to_tsvector", "websearch_to_tsquery"),
)
"""Functions of ``pg_catalog`` that are stable because they read or print values by the settings of the session (time
zone, DateStyle, extra_float_digits, bytea_output, lc_monetary, the text search configuration), and for no other
reason."""
_OF_TIME = ("date_bin", "date_trunc", "make_date", "make_timestamp", "make_timestamptz", "timezone", "to_date")
"""Functions of ``pg_catalog`` of which every form returns a date or a time."""
_NOW = re.compile(r"(?<![a-z])(now|today|tomorrow|yesterday)(?![a-z])", re.IGNORECASE)
"""What a literal of a date or time may say in place of a value (PostgreSQL manual, "Date/Time Types", "Special
Values"). With letters beside it, it is another word."""
MOVING_WORDS = frozenset(
    {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "current_schema"}
)
"""Calls without parentheses; a schema that is made meanwhile may be the first one of the search path."""
_ZONED_TIME = "time with time zone"
"""How far such a time is from UTC is the zone's offset of today."""
_LENGTH = r"(?:\s?\(\s?\d+\s?(?:,\s?-?\s?\d+\s?)?\))?"
_TIME_TYPE = re.compile(
    rf"(?:date|timestamp{_LENGTH} with(?:out)? time zone|time{_LENGTH} without time zone)(?! ?[\w.\[])"
)
_VALUE_TYPE = re.compile(
    r"(?:boolean|smallint|integer|bigint|oid|real|double precision|numeric|text|name|\"char\"|character varying"
    r"|character|bpchar|bytea|uuid|jsonb?|jsonpath|xml|inet|cidr|macaddr8?|bit varying|bit|\"bit\"|tsvector|tsquery"
    r"|point|box|circle|line|lseg|path|polygon|interval)(?! ?\.|\w)"
)
"""Types as ``format_type`` writes them whose values are read from text without a look at a clock or a catalogue."""


def moving_literal(statement: str) -> str | None:
    """What in the text of a statement may stand for a time that every session reads anew; ``None`` for nothing.

    A literal becomes a value when the statement is parsed, so that a plan does not show what was written. A string
    that has escapes, or goes on in the next line, is not read.
    """
    before = ""
    for token in tokens(statement):
        if token[:1] == "'" and (before[-1:] == "'" or before == "&"):
            return "a string in it is written in pieces, or with escapes"
        if token[:2].lower() == "e'" and "\\" in token.replace("\\\\", ""):
            return "a string in it is written with escapes"
        if token[:1] in "'eE$" and (found := _NOW.search(token)) is not None and token[-1] in "'$":
            return f"'{found[1].lower()}' in it may be something else for each worker"
        before = token
    return None


def moving_expression(leader: Leader, expressions: Sequence[str], table: int, columns: Mapping[str, str]) -> str | None:
    """Why the expressions of a plan may have other values for each worker; ``None`` where they have the same.

    Args:
        leader: In the export's transaction.
        expressions: As EXPLAIN writes them.
        table: The OID of the table that they are about.
        columns: Its columns, by their names, with their types as ``format_type`` writes them.

    Raises:
        PolyglotError: The server does not answer.
    """
    words = expression_words(expressions)
    if moving := words.keywords & MOVING_WORDS:
        return f"{min(moving)} is something else for each worker"
    if "returning" in words.keywords:
        return "what JSON becomes by RETURNING may be something else for each worker"
    zoned = _ZONED_TIME in columns.values() or any(_ZONED_TIME in expression for expression in expressions)
    if zoned and ("zone" in words.keywords or words.functions & {"timezone"} or _cast_to_zoned(words)):
        return f"a {_ZONED_TIME} may be something else for each worker"
    for cast in words.casts:
        if not _same(cast, columns):
            return f"a value becomes {cast.type_name}, which may be something else for each worker"
    return _moving_call(leader, words, table)


def _cast_to_zoned(words: Words) -> bool:
    return any(cast.type.startswith("time") and _TIME_TYPE.match(cast.type) is None for cast in words.casts)


def _same(cast: Cast, columns: Mapping[str, str]) -> bool:
    """Whether a cast reads no clock and no catalogue. To a date or time only from one: ``'now'`` may be a value."""
    if not cast.operand:
        # What a constant was is in the text of the statement. A reg… type is read from the catalogue.
        return not cast.type.startswith("reg")
    if _VALUE_TYPE.match(cast.type):
        return True
    if _TIME_TYPE.match(cast.type) is None:
        return False
    if cast.column is not None:
        return _TIME_TYPE.fullmatch(columns.get(cast.column, "")) is not None
    return cast.function in _OF_TIME


def _moving_call(leader: Leader, words: Words, table: int) -> str | None:
    """A function, operator or cast that is not known to be the same for all.

    Operators and casts of ``pg_catalog`` read settings at most. ``=`` may be called without being written (NULLIF,
    CASE, IS DISTINCT FROM). An operator for a type of users is met where a column has the type, or where a cast or a
    function of users may give one. Those of pg_trgm read a setting.
    """
    cast_to_others = any(_VALUE_TYPE.match(cast.type) is None for cast in words.casts)
    query = sql.SQL(
        "WITH called AS (SELECT p.proname, p.provolatile, p.pronamespace = 'pg_catalog'::regnamespace AS own"
        " FROM pg_proc AS p WHERE p.proname = ANY ({functions}::name[])),"
        " types(oid) AS (SELECT atttypid FROM pg_attribute WHERE attrelid = {table}::oid)"
        " SELECT (SELECT proname FROM called WHERE CASE WHEN own"
        " THEN provolatile <> 'i' AND proname <> ALL ({by_settings}::name[])"
        " ELSE provolatile <> 'i' OR proname = ANY ({of_time}::name[]) END ORDER BY 1 LIMIT 1),"
        " (SELECT o.oprname FROM pg_operator AS o JOIN pg_proc AS p ON p.oid = o.oprcode"
        " WHERE o.oid >= {first} AND o.oprname = ANY ({operators}::name[]) AND p.provolatile <> 'i'"
        " AND ({cast_to_others} OR EXISTS (SELECT FROM called WHERE NOT own)"
        " OR (o.oprleft < {first} OR o.oprleft IN (SELECT oid FROM types))"
        " AND (o.oprright < {first} OR o.oprright IN (SELECT oid FROM types)))"
        " AND NOT EXISTS (SELECT FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid"
        " WHERE d.classid = 'pg_operator'::regclass AND d.objid = o.oid AND d.deptype = 'e' AND e.extname = 'pg_trgm')"
        " ORDER BY 1 LIMIT 1),"
        " (SELECT t.typname FROM pg_cast AS c JOIN pg_type AS t ON t.oid = c.casttarget"
        " LEFT JOIN pg_proc AS p ON p.oid = c.castfunc"
        " WHERE c.oid >= {first} AND t.typnamespace = 'pg_catalog'::regnamespace"
        " AND (p.provolatile <> 'i' OR c.castmethod = 'i' AND t.typcategory = 'D') ORDER BY 1 LIMIT 1)"
    ).format(
        functions=sql.Literal(sorted(words.functions)),
        operators=sql.Literal(sorted(words.operators | {"="})),
        by_settings=sql.Literal([*_BY_SETTINGS]),
        of_time=sql.Literal([*_OF_TIME]),
        cast_to_others=sql.Literal(cast_to_others),
        first=sql.Literal(FIRST_USER_OID),
        table=sql.Literal(table),
    )
    ((function, operator, cast),) = leader.catalogue(query)
    if function is not None:
        return f"{function}() may be something else for each worker"
    if operator is not None:
        return f"the operator {operator} may be something else for each worker"
    return None if cast is None else f"a cast to {cast} may be something else for each worker"
