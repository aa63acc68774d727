"""The keyword arguments of the library as a spec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from polyglot_export.compressions import Compression
from polyglot_export.errors import SpecError
from polyglot_export.fields import within
from polyglot_export.formats.registry import Format
from polyglot_export.request.parse import parse_spec
from polyglot_export.request.spec import ColumnChoice, ExportSpec, FilterTerm, OrderTerm, SplitBy
from polyglot_export.request.sql_text import Parameters, SqlText, read_sql_text

__all__ = [
    "Columns",
    "Exclude",
    "Filter",
    "Order",
    "Settings",
    "Split",
    "SplitValues",
    "SqlWhere",
    "Where",
    "make_spec",
]

Columns: TypeAlias = "Sequence[str | ColumnChoice] | Mapping[str, str]"
"""Names of columns, or source → target."""
Exclude: TypeAlias = "str | Sequence[str]"
"""A column that is left out, or several."""
Filter: TypeAlias = "Sequence[FilterTerm | Mapping[str, Any]]"
"""Terms that must all hold, as data."""
Where: TypeAlias = "str | Sequence[str]"
"""One term as on the command line, or several that must all hold."""
SqlWhere: TypeAlias = "str | SqlText | tuple[str, Parameters | Sequence[Any]]"
"""A condition in SQL, alone or with the values of its placeholders."""
Order: TypeAlias = "str | Sequence[OrderTerm | Mapping[str, Any] | str]"
"""Sort keys: ``name``, ``name:desc``, or :class:`OrderTerm`, which also takes a name that ends in ``:desc``."""

Settings: TypeAlias = "Mapping[str, str | float | bool]"
"""Name → value of what is set in every session of an export."""

Split: TypeAlias = "str | SplitBy | Mapping[str, Any] | None"
"""``column``, ``column:8`` for so many parts, or :class:`SplitBy`, which also takes a name that ends so."""

SplitValues: TypeAlias = "str | SqlText | tuple[str, Parameters | Sequence[Any] | None] | None"
"""``column``, or a pair ``(sql, parameters)`` for an expression: a name alone never becomes SQL."""

MAX_DIGITS = 10
"""Of a number of parts: more than there may be, and few to read."""
_DIRECTIONS = frozenset({"asc", "desc"})


def make_spec(
    source: str | None = None,
    *,
    query: str | None = None,
    format: Format | str = Format.CSV,  # noqa: A002
    columns: Columns | None = None,
    exclude: Exclude = (),
    filter: Filter = (),  # noqa: A002
    where: Where = (),
    sql_where: SqlWhere | None = None,
    order_by: Order = (),
    limit: int | None = None,
    split_by: Split = None,
    split_values: SplitValues = None,
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
        chosen = [columns] if isinstance(columns, str) else _listed("columns", columns)
    return parse_spec(
        {
            "format": format,
            "dataset": source,
            "query": query,
            "columns": chosen,
            "exclude": [exclude] if isinstance(exclude, str) else _listed("exclude", exclude),
            "filter": [*_terms(filter), *_written(where)],
            "sqlWhere": sql_where,
            "order_by": [_sort_key(key) for key in ([order_by] if isinstance(order_by, str) else _keys(order_by))],
            "limit": limit,
            "split_by": _split(split_by) if isinstance(split_by, str) else split_by,
            "split_values": _expression(split_values) if isinstance(split_values, tuple | list) else split_values,
            "compression": compression,
            "options": options,
        }
    )


def _terms(given: object) -> list[object]:
    if isinstance(given, str):
        raise SpecError("filter", f"takes a list of terms; give a term that is written out to where=… (got {given!r})")
    return [given] if isinstance(given, Mapping | FilterTerm) else _listed("filter", given)


def _written(given: object) -> list[dict[str, object]]:
    """The terms of ``where`` as the command line reads them."""
    texts = [given] if isinstance(given, str) else _listed("where", given)
    if not texts:
        return []
    from polyglot_export.request.language.arguments import parse_where

    for text in texts:
        if not isinstance(text, str):
            raise SpecError("where", f"takes terms as text, such as 'id <= 3', and filter=… takes data (got {text!r})")
    return [parse_where(text) for text in texts if isinstance(text, str)]


def _keys(given: object) -> list[object]:
    return [given] if isinstance(given, Mapping | OrderTerm) else _listed("order_by", given)


def _sort_key(key: object) -> object:
    if not isinstance(key, str):
        return key
    name, colon, direction = key.rpartition(":")
    if colon and name and direction.lower() in _DIRECTIONS:
        return {"column": name, "direction": direction.lower()}
    return {"column": key}


def _split(given: str) -> object:
    name, colon, parts = given.rpartition(":")
    if colon and name and parts.isascii() and parts.isdecimal():
        return {"column": name, "parts": int(parts[:MAX_DIGITS])}
    return {"column": given}


def _expression(given: object) -> SqlText:
    with within("splitValues"):
        return read_sql_text(given)


def _listed(name: str, given: object) -> list[object]:
    if isinstance(given, Iterable) and not isinstance(given, bytes | Mapping):
        return list(given)
    raise SpecError(name, f"must be a list (got {given!r})")
