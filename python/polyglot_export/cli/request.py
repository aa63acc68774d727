"""From the options of the command line to the spec that library and service use too."""

from __future__ import annotations

from polyglot_export.cli.arguments import parse_columns, parse_options, parse_order, parse_where
from polyglot_export.cli.target import Target
from polyglot_export.errors import SpecError
from polyglot_export.spec import ExportSpec, parse_spec

__all__ = ["build_spec"]


def build_spec(
    source: str | None,
    query: str | None,
    *,
    target: Target,
    columns: list[str] | None,
    where: list[str] | None,
    order_by: list[str] | None,
    limit: int | None,
    option: list[str] | None,
) -> ExportSpec:
    """The options of the command line as a spec.

    Raises:
        SpecError: In one sentence, with the option that is wrong.
    """
    if (source is None) == (query is None):
        raise SpecError("name a table or view, or give --query" if source is None else "give SOURCE or --query, not both", field="dataset")
    data: dict[str, object] = {
        "format": target.format,
        "dataset": source,
        "query": query,
        "filter": [parse_where(term) for term in where or ()],
        "orderBy": parse_order(order_by or ()),
        "limit": limit,
        "compression": target.compression,
        "options": parse_options(option or (), target.format),
    }
    if columns:
        data["columns"] = parse_columns(columns)
    return parse_spec(data)
