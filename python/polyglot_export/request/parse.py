"""A spec from the members that came from outside, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polyglot_export.fields import read_record, write_record
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
    return write_record(spec)
