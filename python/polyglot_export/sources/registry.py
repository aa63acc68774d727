"""All kinds of sources, one line each."""

from __future__ import annotations

from typing import Final

from polyglot_export.sources.base import Source
from polyglot_export.sources.query import QuerySource
from polyglot_export.sources.table import TableSource

__all__ = ["SOURCES"]

SOURCES: Final[tuple[type[Source], ...]] = (
    TableSource,
    QuerySource,
)
