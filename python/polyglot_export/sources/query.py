"""A query as a source of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from polyglot_export.sources.base import QueryText
from polyglot_export.sources.lexemes import Kind, lexemes

if TYPE_CHECKING:
    from polyglot_export.request.spec import FilterTerm
    from polyglot_export.request.sql_text import Parameters, SqlText

__all__ = ["QuerySource", "trim"]


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
    proof: tuple[str, tuple[str, ...]] | None = None
    """The query with a number for each placeholder, for the server to find them in; and their names."""
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
    for lexeme in lexemes(query):
        if lexeme.kind is Kind.END:
            end = lexeme.start if end is None else end
        elif lexeme.kind is not Kind.BLANK:
            end = None
    return query if end is None else query[:end]
