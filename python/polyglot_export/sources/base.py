"""What the planner reads: a table or a query."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["QuerySource", "TableSource"]


@dataclass(frozen=True, slots=True)
class TableSource:
    """A table, view, materialized view, partitioned or foreign table that may be read."""

    name: str
    """``table`` or ``schema.table``; how it is matched with the catalogue is told in ``planner/relation.py``."""
    schema: str | None = None
    """The only schema it may be in; ``name`` then is the bare name in it, taken literally."""
    columns: tuple[str, ...] | None = None
    """The only columns that may be read; ``None`` for all."""
    views: bool | None = True
    """Whether it may be a view. ``None``: only for a login without rights beyond its own tables, since the functions in
    a view that someone else wrote run with the rights of our login."""
    title: str = ""
    """The dataset's name for people and manifests; the relation's own where empty."""


@dataclass(frozen=True, slots=True)
class QuerySource:
    """One SQL query, written by whoever configured the service or runs the command."""

    query: str
    columns: tuple[str, ...] | None = None
    title: str = "query"
