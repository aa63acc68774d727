"""JSON and NDJSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from polyglot_export.formats.base import EncoderOptions, FormatRecord, Options

__all__ = ["JSON", "NDJSON", "JsonOptions"]


@dataclass(frozen=True, slots=True)
class JsonOptions(Options):
    """JSON and NDJSON: each row as ``row_to_json`` writes it."""

    big_numbers: Literal["number", "string"] = "number"
    """``string`` quotes int8 and numeric, for readers that hold doubles."""


def _encoder(name: str) -> Callable[[JsonOptions, Sequence[str], Mapping[str, str]], EncoderOptions]:
    def encoder_options(options: JsonOptions, _targets: Sequence[str], _manifest: Mapping[str, str]) -> EncoderOptions:
        return EncoderOptions(name, big_numbers_as_strings=options.big_numbers == "string")

    return encoder_options


JSON = FormatRecord(
    name="json",
    title="JSON",
    endings=(".json",),
    media_type="application/json",
    options=JsonOptions,
    encoder_options=_encoder("json"),
    reading=lambda _options: EncoderOptions("json"),
    reads_json=True,
)
NDJSON = FormatRecord(
    name="ndjson",
    title="NDJSON",
    endings=(".ndjson", ".jsonl"),
    media_type="application/x-ndjson",
    options=JsonOptions,
    encoder_options=_encoder("ndjson"),
    reading=lambda _options: EncoderOptions("ndjson"),
    reads_json=True,
)
