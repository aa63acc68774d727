"""What a statement of somebody else's library stands for: a source, and the names of its columns."""

from __future__ import annotations

from typing import NamedTuple

from polyglot_export.sources.query import QuerySource
from polyglot_export.sources.table import TableSource

__all__ = ["Selected", "belongs_to"]


class Selected(NamedTuple):
    """A statement, read."""

    source: TableSource | QuerySource
    """A table where the statement is plain columns of it and a condition: it is read in parallel. Else a query."""
    names: tuple[tuple[str, str], ...] | None = None
    """Column and name in the file of each, where a table's are renamed; then nothing else can be said of the
    columns."""


def belongs_to(given: object, package: str) -> bool:
    """Whether an object is of a class that a package has, or one that was derived from such; imports nothing."""
    return any(kind.__module__.partition(".")[0] == package for kind in type(given).__mro__)
