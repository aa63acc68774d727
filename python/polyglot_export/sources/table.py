"""A relation as a source of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from polyglot_export.sources.base import RelationName

if TYPE_CHECKING:
    from polyglot_export.request.spec import FilterTerm
    from polyglot_export.request.sql_text import SqlText

__all__ = ["TableSource"]


class TableSource(NamedTuple):
    """A table, view, materialized view, partitioned or foreign table that may be read."""

    name: str
    """As in :class:`~polyglot_export.sources.base.RelationName`, like the next one and ``views``."""
    schema: str | None = None
    columns: tuple[str, ...] | None = None
    """The only columns that may be read; ``None`` for all."""
    views: bool | None = True
    title: str = ""
    """The dataset's name for people and manifests; the relation's own where empty."""
    rows: tuple[FilterTerm, ...] = ()
    """What every row fulfils that may be read."""
    condition: SqlText | None = None
    """What else every row fulfils, as SQL."""
    masks: tuple[tuple[str, str], ...] = ()
    """Columns with what stands in their place, as SQL."""

    @property
    def reads(self) -> RelationName:
        """The relation of that name."""
        return RelationName(self.name, self.schema, self.views)
