"""What a statement of somebody else's library stands for: a source, and the names of its columns."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from polyglot_export.sources.query import QuerySource
from polyglot_export.sources.table import TableSource

__all__ = ["Selected", "are_whole", "belongs_to", "exact_table"]

_NAME_BYTES = 63
"""PostgreSQL's ``NAMEDATALEN - 1``."""


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


def are_whole(names: Iterable[str]) -> bool:
    """Whether the server keeps names as they are. It cuts longer ones at 63 bytes of its own encoding (PostgreSQL
    manual, "Identifiers and Key Words"): in a statement, but not in a header that we write.
    """
    return all(len(name.encode(errors="surrogatepass")) <= _NAME_BYTES for name in names)


def belongs_to(given: object, package: str) -> bool:
    """Whether an object is of a class that a package has, or one that was derived from such; imports nothing."""
    return any(kind.__module__.partition(".")[0] == package for kind in type(given).__mro__)
