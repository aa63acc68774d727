"""XML."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from polyglot_export.formats.base import EncoderOptions, _Options

__all__ = ["XmlOptions"]


class XmlOptions(_Options):
    """XML 1.0, one element a row."""

    root: Annotated[str, Field(min_length=1)] = "records"
    record: Annotated[str, Field(min_length=1)] = "record"
    json_types: Literal["containers", "all", "none"] = "containers"
    invalid_xml_chars: Literal["error", "replace", "drop"] = "error"


def _xml(options: XmlOptions) -> EncoderOptions:
    return EncoderOptions(
        "xml",
        root=options.root,
        record=options.record,
        json_types=options.json_types,
        invalid_xml_chars=options.invalid_xml_chars,
    )
