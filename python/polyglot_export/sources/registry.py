"""All kinds of sources, one line each."""

from __future__ import annotations

from typing import TypeAlias

from polyglot_export.sources.query import QuerySource
from polyglot_export.sources.table import TableSource

__all__ = ["SOURCES", "AnySource"]

AnySource: TypeAlias = TableSource | QuerySource

SOURCES: tuple[type[AnySource], ...] = (
    TableSource,
    QuerySource,
)
