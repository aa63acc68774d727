"""From the options of the command line to the spec that library and service use too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from polyglot_export.destinations.naming import Target
from polyglot_export.errors import SpecError

if TYPE_CHECKING:
    from polyglot_export.request.spec import ExportSpec

__all__ = ["build_spec"]


def build_spec(
    source: str | None,
    query: str | None,
    *,
    target: Target,
    columns: Sequence[str],
    where: Sequence[str],
    order_by: Sequence[str],
    limit: int | None,
    option: Sequence[str],
) -> ExportSpec:
    """The options of the command line as a spec.

    Raises:
        SpecError: In one sentence, with the option that is wrong.
    """
    if (source is None) == (query is None):
        raise SpecError(
            "dataset", "name a table or view, or give --query" if source is None else "give SOURCE or --query, not both"
        )
    from polyglot_export.cli.language.arguments import parse_columns, parse_options, parse_order, parse_where
    from polyglot_export.request.parse import parse_spec

    data: dict[str, object] = {
        "format": target.format,
        "dataset": source,
        "query": query,
        "filter": [parse_where(term) for term in where],
        "orderBy": parse_order(order_by),
        "limit": limit,
        "compression": target.compression,
        "options": parse_options(option, target.format),
    }
    if columns:
        data["columns"] = parse_columns(columns)
    return parse_spec(data)
