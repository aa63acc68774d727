"""What is asked for in an address: ``/datasets/orders.csv?columns=id,value&where=id<=1000``.

The members are those of ``POST /exports``, written as the command line takes them, for people who type an address or
put one into a spreadsheet, a script or an ``<a download>``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.datastructures import QueryParams

from polyglot_export.compressions import Compression
from polyglot_export.errors import SpecError, cut
from polyglot_export.formats.registry import Format
from polyglot_export.request.language.arguments import (
    parse_columns,
    parse_names,
    parse_options,
    parse_order,
    parse_split,
    parse_where,
)
from polyglot_export.text.counts import read_count
from polyglot_export.text.near import did_you_mean

__all__ = ["ENDINGS", "query_spec"]

LISTS = ("columns", "exclude", "where", "orderBy")
"""Names that may be repeated; what they say adds up."""
SINGLE = ("limit", "filename", "compression", "splitBy", "splitValues")
FAMILIES = ("option.", "param.")
"""What such names begin with: options of the format, and parameters of a configured query."""
ALLOWED = ", ".join((*LISTS, *SINGLE, *(f"{family}NAME" for family in FAMILIES)))


def _endings() -> dict[str, dict[str, Any]]:
    """What each ending asks for."""
    found: dict[str, dict[str, Any]] = {}
    for format_ in Format:
        for ending in format_.record.endings:
            found[ending[1:]] = {"format": format_.value}
            if not format_.record.is_text:
                continue
            for compression in Compression:
                packed = {"format": format_.value, "compression": compression.value, "compressionAs": "file"}
                found[ending[1:] + compression.record.ending] = packed
    return found


ENDINGS: Mapping[str, Mapping[str, Any]] = _endings()
"""What an ending of the address asks for: ``csv``, ``csv.gz``, ``parquet`` …"""


def query_spec(dataset: str, ending: str, given: QueryParams) -> dict[str, Any]:
    """The body that ``POST /exports`` would have.

    Args:
        dataset: As it is in the path.
        ending: One of :data:`ENDINGS`.
        given: What stands behind the question mark.

    Raises:
        SpecError: A name is unknown or stands there twice, or what it says cannot be read.
    """
    named: dict[str, list[str]] = {}
    for name, value in given.multi_items():
        named.setdefault(name, []).append(value)
    for name, values in named.items():
        _check_name(name, values)
    asked: dict[str, Any] = {**ENDINGS[ending], "dataset": dataset}
    if "columns" in named:
        asked["columns"] = parse_columns(named["columns"])
    asked["exclude"] = parse_names("exclude", named.get("exclude", ()))
    asked["filter"] = [parse_where(term) for term in named.get("where", ())]
    asked["orderBy"] = parse_order(named.get("orderBy", ()))
    options = [f"{name}={value}" for name, value in _family("option.", named)]
    asked["options"] = parse_options(options, asked["format"])
    if parameters := dict(_family("param.", named)):
        asked["parameters"] = parameters
    asked |= {name: named[name][0] for name in SINGLE if name in named}
    if "splitBy" in asked:
        asked["splitBy"] = parse_split(asked["splitBy"])
    if "limit" in asked:
        asked["limit"] = read_count(asked["limit"])
    if "compression" in named and "compression" in ENDINGS[ending]:
        raise SpecError("compression", f"the ending .{ending} says it already")
    return asked


def _check_name(name: str, values: Sequence[str]) -> None:
    family = next((family for family in FAMILIES if name.startswith(family) and name != family), None)
    if family is None and name not in LISTS and name not in SINGLE:
        hint = did_you_mean(name, (*LISTS, *SINGLE))
        raise SpecError(None, f"unknown parameter {cut(name)!r} of the address; allowed are {ALLOWED}", hint=hint)
    if name not in LISTS and len(values) > 1:
        raise SpecError(name, "is given twice")


def _family(prefix: str, named: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    return [(name.removeprefix(prefix), values[0]) for name, values in named.items() if name.startswith(prefix)]
