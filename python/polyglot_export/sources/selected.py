"""What a statement of somebody else's library stands for: a source, and the names of its columns."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from polyglot_export.sources.query import QuerySource
from polyglot_export.sources.table import TableSource

__all__ = ["Selected", "belongs_to", "exact_table"]


class Selected(NamedTuple):
    """A statement, read."""

    source: TableSource | QuerySource
    """A table where the statement is plain columns of it and a condition: it is read in parallel. Else a query."""
    names: tuple[tuple[str, str], ...] | None = None
    """Column and name in the file of each, where a table's are renamed; then nothing else can be said of the
    columns."""


def exact_table(name: str, schema: str | None = None, **more: Any) -> TableSource:
    """The table that a library's quoted name means and no other: ``Orders`` is never the table ``orders``.

    Args:
        name: Without a quotation mark or dot where there is no schema.
        schema: Where it is.
        more: The other fields.
    """
    folded = schema is None and re.search("[A-Z]", name) is not None
    return TableSource(f'"{name}"' if folded else name, schema, **more)


def belongs_to(given: object, package: str) -> bool:
    """Whether an object is of a class that a package has, or one that was derived from such; imports nothing."""
    return any(kind.__module__.partition(".")[0] == package for kind in type(given).__mro__)
