"""A relation as a source of rows."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TableSource"]


@dataclass(frozen=True, slots=True)
class TableSource:
    """A table, view, materialized view, partitioned or foreign table that may be read."""

    name: str
    """``table`` or ``schema.table``; ``postgres/catalogue/relations.py`` tells how it is matched with the catalogue."""
    schema: str | None = None
    """The only schema it may be in; ``name`` then is the bare name in it, taken literally."""
    columns: tuple[str, ...] | None = None
    """The only columns that may be read; ``None`` for all."""
    views: bool | None = True
    """Whether it may be a view. ``None``: only for a login without rights beyond its own tables, since the functions in
    a view that someone else wrote run with the rights of our login."""
    title: str = ""
    """The dataset's name for people and manifests; the relation's own where empty."""
