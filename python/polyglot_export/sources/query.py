"""A query as a source of rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from polyglot_export.sources.base import QueryText

if TYPE_CHECKING:
    from polyglot_export.request.spec import FilterTerm
    from polyglot_export.request.sql_text import Parameters, SqlText

__all__ = ["QuerySource", "trim"]

_LEXEME = r"""(?xs)
      (?P<blank>\s+|--[^\n\r]*)
    | (?P<comment>/\*)
    | (?P<end>;)
    | [eE]'(?:[^'\\]|\\.|'')*'            # escape string
    | '(?:[^']|'')*'                       # string, standard_conforming_strings is on
    | "(?:[^"]|"")*"                       # quoted identifier
    | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$
    | [^\W\d][\w$]*                        # a word, so that its last letter does not start a string
    | .
"""
_COMMENT_PART = r"/\*|\*/"


class QuerySource(NamedTuple):
    """One SQL query, written by whoever configured the service or runs the command."""

    query: str
    columns: tuple[str, ...] | None = None
    """The only columns that may be read; ``None`` for all."""
    title: str = "query"
    """The dataset's name for people and manifests."""
    rows: tuple[FilterTerm, ...] = ()
    """What every row fulfils that may be read."""
    condition: SqlText | None = None
    """What else every row fulfils, as SQL."""
    parameters: Parameters | None = None
    """The values of the placeholders in the query; ``None`` where it has none."""
    casts: tuple[tuple[str, str], ...] = ()
    """Name and type of the placeholders that a cast is around."""
    proof: str | None = None
    """The query with a number for each of these, for the server to find them in."""
    masks: tuple[tuple[str, str], ...] = ()
    """Columns with what stands in their place, as SQL."""

    @property
    def reads(self) -> QueryText:
        """The query itself."""
        return QueryText(self.query, self.parameters, self.casts, self.proof)


def trim(query: str) -> str:
    """The query without the semicolons at its end, and without the comments after them.

    A semicolon inside a string, a quoted name or a comment is no end. Where this reads the text otherwise than the
    server does, the server refuses what is left.
    """
    end = None
    position = 0
    lexeme = re.compile(_LEXEME)
    # The last alternative takes any character, so that there is always a match before the end.
    while (match := lexeme.match(query, position)) is not None:
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
    part = re.compile(_COMMENT_PART)
    while depth:
        match = part.search(query, position)
        if match is None:
            return len(query)
        depth += 1 if match[0] == "/*" else -1
        position = match.end()
    return position
