"""The JSON Schema of a spec, which pydantic writes from the records; only the HTTP interface has a use for it."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from polyglot_export.request.spec import ExportSpec

__all__ = ["spec_schema"]


def spec_schema(ref_template: str) -> dict[str, Any]:
    """The schema of the members that :func:`polyglot_export.request.parse.parse_spec` reads.

    Args:
        ref_template: Where the schemas of its parts will stand, with ``{model}`` for the name.
    """
    return TypeAdapter(ExportSpec).json_schema(by_alias=True, ref_template=ref_template)
