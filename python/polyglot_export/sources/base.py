"""What every source of rows has."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from polyglot_export.request.spec import FilterTerm
    from polyglot_export.request.sql_text import Parameters, SqlText

__all__ = ["QueryText", "Reads", "RelationName", "Source"]


class RelationName(NamedTuple):
    """A table or view, to be looked up in the catalogue: it can be locked, and may be read in segments."""

    name: str
    """``table`` or ``schema.table``; ``postgres/catalogue/relations.py`` tells how it is matched with the catalogue."""
    schema: str | None = None
    """The only schema it may be in; ``name`` then is the bare name in it, taken literally."""
    views: bool | None = True
    """Whether it may be a view. ``None``: only for a login without rights beyond its own tables, since the functions in
    a view that someone else wrote run with the rights of our login."""


class QueryText(NamedTuple):
    """One SELECT, which the server parses and describes alone before it is read as a subquery."""

    text: str
    parameters: Parameters | None = None
    """The values of its placeholders; ``None`` where it has none."""
    casts: tuple[tuple[str, str], ...] = ()
    """Name and type of the values that are cast; each is tried alone, so that the one that does not fit is named."""
    proof: tuple[str, tuple[str, ...]] | None = None
    """The same with ``$1``, ``$2`` for the values, in which the server must find each of them; and their names."""


Reads: TypeAlias = RelationName | QueryText
"""PostgreSQL has rows in no other form: behind FROM stands a name or a subquery."""


class Source(Protocol):
    """Where the rows of an export come from: plain data, made without a database."""

    @property
    def reads(self) -> Reads:
        """What stands behind FROM. Planning asks for nothing else, so that a new kind of
        source needs no change there.
        """

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The only columns that may be read; ``None`` for all."""

    @property
    def rows(self) -> tuple[FilterTerm, ...]:
        """What every row fulfils that may be read, beside what a caller asks for. These terms may name any column of
        the source, also those that may not be read.
        """

    @property
    def condition(self) -> SqlText | None:
        """What else every row fulfils, as SQL; only from those who may write SQL."""

    @property
    def masks(self) -> tuple[tuple[str, str], ...]:
        """Columns, each with the SQL expression that stands in its place for whoever reads it, filters or sorts by it.
        ``rows`` and ``condition`` see the columns themselves.
        """

    @property
    def title(self) -> str:
        """The dataset's name for people and manifests; where empty, that of the relation."""
