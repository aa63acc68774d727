"""A query that a person wrote: parsed alone, described, and wrapped.

Pasted into ``COPY (…)`` unseen, ``select 1) to program 'x' --`` would run a program on the server. Parsed alone by the
extended protocol it is a syntax error, and a second statement is one too. What is pasted is exactly what was parsed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from psycopg import sql

from polyglot_export.errors import AccessDenied, PolyglotError, SpecError, StatementFailed, UnknownDataset
from polyglot_export.postgres.leader import Described, Leader

__all__ = ["Query", "describe_query", "trim"]

_TOKEN = re.compile(
    r"""
      (?P<blank>\s+|--[^\n\r]*)
    | (?P<comment>/\*)
    | (?P<end>;)
    | [eE]'(?:[^'\\]|\\.|'')*'            # escape string
    | '(?:[^']|'')*'                       # string, standard_conforming_strings is on
    | "(?:[^"]|"")*"                       # quoted identifier
    | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$
    | [^\W\d][\w$]*                        # a word, so that its last letter does not start a string
    | .
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_PART = re.compile(r"/\*|\*/")

_ONE_SELECT = "must be one SELECT, VALUES, TABLE or WITH … SELECT statement"


@dataclass(frozen=True, slots=True)
class Query:
    """A query that may be wrapped."""

    text: str
    """Without a semicolon at its end."""
    described: Described

    @property
    def subquery(self) -> sql.Composable:
        """``(query) AS q(c1, c2, …)``: line breaks end a trailing comment, and the positions keep equal names apart."""
        names = sql.SQL(", ").join(sql.SQL(f"c{number}") for number in range(1, len(self.described.columns) + 1))
        return sql.SQL("(\n{}\n) AS q({})").format(sql.SQL(self.text), names)


def describe_query(leader: Leader, query: str) -> Query:
    """Parse the query alone and as it will be wrapped.

    Must run in the export's transaction: parsing takes the locks of what the query names.

    Raises:
        SpecError: It is not one statement, has parameters, gives no columns, writes, or the server refuses it.
    """
    text = trim(query)
    if "\0" in text:
        raise SpecError("query", "must not hold the character U+0000")
    try:
        described = leader.describe(text)
    except StatementFailed as error:
        raise _refused(error) from None
    if described.parameters:
        raise SpecError("query", "must not have parameters ($1); write the values")
    if not described.columns:
        raise SpecError("query", f"{_ONE_SELECT}; this one returns no columns")
    found = Query(text, described)
    try:
        leader.describe(sql.SQL("SELECT FROM {}").format(found.subquery).as_string(leader.connection))
    except StatementFailed as error:
        raise _not_wrappable(error) from None
    return found


def trim(query: str) -> str:
    """The query without the semicolons at its end, and without the comments after them.

    A semicolon inside a string, a quoted name or a comment is no end. Where this reads the text otherwise than the
    server does, the server refuses what is left.
    """
    end = None
    position = 0
    # The last alternative takes any character, so that there is always a match before the end.
    while (match := _TOKEN.match(query, position)) is not None:
        position = match.end()
        if match["comment"] is not None:
            position = _comment_end(query, position)
        elif match["end"] is not None:
            end = match.start() if end is None else end
        elif match["blank"] is None:
            end = None
    return query if end is None else query[:end]


def _comment_end(query: str, position: int) -> int:
    """Block comments nest (PostgreSQL manual, "Lexical Structure", Comments)."""
    depth = 1
    while depth:
        match = _COMMENT_PART.search(query, position)
        if match is None:
            return len(query)
        depth += 1 if match[0] == "/*" else -1
        position = match.end()
    return position


def _refused(error: StatementFailed) -> PolyglotError:
    match error.sqlstate:
        case "42501":
            return AccessDenied(error.message, sqlstate=error.sqlstate, detail=error.detail, hint=error.hint)
        case "57014":
            return error
        case "42P01":
            return UnknownDataset("query", f"{error.message}", sqlstate=error.sqlstate, hint=error.hint)
        case "42601" if "multiple commands" in error.message:
            return SpecError("query", "must be one statement; a second one follows", sqlstate=error.sqlstate)
        case "42P02" | "42P18":
            return SpecError("query", "must not have parameters ($1); write the values", sqlstate=error.sqlstate)
    return SpecError("query", f"{error.message}", sqlstate=error.sqlstate, detail=error.detail, hint=error.hint)


def _not_wrappable(error: StatementFailed) -> PolyglotError:
    if error.sqlstate == "0A000":  # "WITH clause containing a data-modifying statement must be at the top level"
        return SpecError("query", f"{_ONE_SELECT} that only reads; a statement in WITH writes", sqlstate=error.sqlstate)
    if error.sqlstate == "42601":
        return SpecError("query", f"{_ONE_SELECT} that only reads", sqlstate=error.sqlstate)
    return _refused(error)
