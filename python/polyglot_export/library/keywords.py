"""The keyword arguments of the library as a spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from polyglot_export.compressions import Compression
from polyglot_export.formats.registry import Format
from polyglot_export.request.parse import parse_spec
from polyglot_export.request.spec import ColumnChoice, ExportSpec, FilterTerm, OrderTerm

__all__ = ["Columns", "make_spec"]

Columns: TypeAlias = "Sequence[str | ColumnChoice] | Mapping[str, str]"
"""Names of columns, or source → target."""


def make_spec(
    source: str | None = None,
    *,
    query: str | None = None,
    format: Format | str = Format.CSV,  # noqa: A002
    columns: Columns | None = None,
    filter: Sequence[FilterTerm | Mapping[str, Any]] = (),  # noqa: A002
    order_by: Sequence[OrderTerm | Mapping[str, Any] | str] = (),
    limit: int | None = None,
    compression: Compression | str | None = None,
    options: Mapping[str, Any] | None = None,
) -> ExportSpec:
    """The arguments of :func:`export` as a spec.

    Raises:
        SpecError: One sentence that names the first wrong field.
    """
    chosen: object = columns
    if isinstance(columns, Mapping):
        chosen = [{"source": name, "target": target} for name, target in columns.items()]
    elif columns is not None:
        chosen = [columns] if isinstance(columns, str) else list(columns)
    return parse_spec(
        {
            "format": format,
            "dataset": source,
            "query": query,
            "columns": chosen,
            "filter": list(filter),
            "order_by": [{"column": key} if isinstance(key, str) else key for key in order_by],
            "limit": limit,
            "compression": compression,
            "options": options,
        }
    )
