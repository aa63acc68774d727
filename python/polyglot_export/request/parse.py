"""A spec from the members that came from outside, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from typing import Any, cast

from polyglot_export.fields import Record, camel, read_record
from polyglot_export.request.spec import ExportSpec

__all__ = ["dump_spec", "parse_spec"]


def parse_spec(data: Mapping[str, Any]) -> ExportSpec:
    """Read a spec that came from outside.

    Args:
        data: The members of an :class:`ExportSpec`, camelCase or snake_case.

    Raises:
        SpecError: One sentence that names the first wrong field, what was wrong and what is allowed.
    """
    return read_record(ExportSpec, data)


def dump_spec(spec: ExportSpec) -> dict[str, Any]:
    """The members of a spec, camelCase, as :func:`parse_spec` reads them: defaults are written, absent members are not.

    Numbers stay :class:`~decimal.Decimal`; :func:`polyglot_export.text.exact_json.dumps` writes them with every digit.
    """
    return _members(spec)


def _members(record: Record) -> dict[str, Any]:
    values = {camel(each.name): getattr(record, each.name) for each in fields(cast("Any", record))}
    return {name: _plain(value) for name, value in values.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return _members(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value
