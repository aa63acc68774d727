"""XML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from polyglot_export.formats.base import EncoderOptions, FormatRecord, Options

__all__ = ["XML", "XmlOptions"]


@dataclass(frozen=True, slots=True)
class XmlOptions(Options):
    """XML 1.0, one element a row."""

    root: str = field(default="records", metadata={"min_length": 1})
    """Name of the element around all rows."""
    record: str = field(default="record", metadata={"min_length": 1})
    """Name of the element of a row."""
    json_types: Literal["containers", "all", "none"] = "containers"
    """Which elements of JSON say of which type they are: objects and arrays that could be mistaken, all, or none."""
    invalid_xml_chars: Literal["error", "replace", "drop"] = "error"
    """What becomes of a character that XML cannot hold; what is replaced or dropped is counted."""
    binary: Literal["base64", "hex"] = "base64"
    """How bytea is written."""


def _encoder_options(options: XmlOptions, _targets: Sequence[str], _manifest: Mapping[str, str]) -> EncoderOptions:
    return EncoderOptions(
        "xml",
        root=options.root,
        record=options.record,
        json_types=options.json_types,
        invalid_xml_chars=options.invalid_xml_chars,
        xml_binary=options.binary,
    )


XML = FormatRecord(
    name="xml",
    title="XML",
    endings=(".xml",),
    media_type="application/xml",
    xsd_times=True,
    options=XmlOptions,
    encoder_options=_encoder_options,
    reading=lambda _options: EncoderOptions("xml"),
)
