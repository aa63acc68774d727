"""The options of each format, validated; ``docs/formats/`` explains each one with an example.

A wrong option is an error that lists what is allowed; nothing is silently replaced by a default.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from polyglot_export.formats import MAX_DECIMAL_PRECISION

__all__ = ["CsvOptions", "FormatOptions", "JsonOptions", "ParquetOptions", "TsvOptions", "XmlOptions", "options_model"]


def _one_byte(value: str) -> str:
    if len(value.encode()) != 1:
        raise ValueError("must be exactly one single-byte character, as in COPY")
    if value in "\r\n\0":
        raise ValueError("must not be a carriage return, a newline or a NUL, as in COPY")
    return value


OneByte = Annotated[str, AfterValidator(_one_byte)]


def _numeric_fallback(value: str) -> str:
    if value in ("string", "double"):
        return value
    match = re.fullmatch(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)", value)
    if match is None:
        raise ValueError("must be string, double or decimal(precision,scale)")
    precision, scale = int(match[1]), int(match[2])
    if not (1 <= precision <= MAX_DECIMAL_PRECISION and scale <= precision):
        raise ValueError(f"decimal(precision,scale) needs a precision of 1 to {MAX_DECIMAL_PRECISION} and a scale of 0 to the precision")
    return f"decimal({precision},{scale})"


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)

    time_zone: str = "UTC"
    """Zone in which timestamptz is written; any name that PostgreSQL knows."""


class CsvOptions(_Options):
    """CSV as ``COPY … (FORMAT csv, HEADER)`` writes it (PostgreSQL manual, COPY)."""

    profile: Literal["excel"] | None = None
    """``excel`` turns on bom, formulaGuard, CRLF line ends and long numbers as text."""
    delimiter: OneByte = ","
    header: bool = True
    null: str = ""
    quote: OneByte = '"'
    escape: OneByte | None = None
    """The same as ``quote`` when not given."""
    force_quote: tuple[str, ...] | Literal["*"] = ()
    """Target names of columns whose values are always quoted, or ``*``."""
    line_end: Literal["lf", "crlf"] = "lf"
    bom: bool = False
    formula_guard: bool = False

    @model_validator(mode="before")
    @classmethod
    def _profile_sets_defaults(cls, value: object) -> object:
        if not isinstance(value, dict) or value.get("profile") != "excel":
            return value
        # A field given by either of its names is the caller's; both names at once would be refused.
        preset: dict[str, tuple[str, object]] = {
            "bom": ("bom", True),
            "lineEnd": ("line_end", "crlf"),
            "formulaGuard": ("formula_guard", True),
        }
        return {alias: wanted for alias, (name, wanted) in preset.items() if name not in value} | value

    @model_validator(mode="after")
    def _as_copy_checks(self) -> CsvOptions:
        if self.delimiter == self.quote:
            raise ValueError("delimiter and quote must differ, as in COPY")
        if any(character in self.null for character in "\r\n\0"):
            raise ValueError("null must not hold a carriage return, a newline or a NUL, as in COPY")
        if self.delimiter in self.null:
            raise ValueError("delimiter must not appear in null, as in COPY")
        if self.quote in self.null:
            raise ValueError("quote must not appear in null, as in COPY")
        return self


class TsvOptions(CsvOptions):
    """CSV with a tab between the fields."""

    delimiter: OneByte = "\t"


class JsonOptions(_Options):
    """JSON and NDJSON: each row as ``row_to_json`` writes it."""

    big_numbers: Literal["number", "string"] = "number"
    """``string`` quotes int8 and numeric, for readers that hold doubles."""


class XmlOptions(_Options):
    """XML 1.0, one element a row."""

    root: Annotated[str, Field(min_length=1)] = "records"
    record: Annotated[str, Field(min_length=1)] = "record"
    json_types: Literal["containers", "all", "none"] = "containers"
    invalid_xml_chars: Literal["error", "replace", "drop"] = "error"


class ParquetOptions(_Options):
    """Parquet with logical types, written as a stream."""

    compression: Literal["snappy", "zstd", "lz4_raw", "gzip", "none"] = "snappy"
    numeric_fallback: Annotated[str, AfterValidator(_numeric_fallback)] = "string"
    """What a numeric without a fitting precision becomes: ``string``, ``double`` or ``decimal(p,s)``."""
    unrepresentable: Literal["error", "null"] = "error"
    """What happens to a value its column cannot hold; ``null`` is counted."""
    time24: Literal["error", "text"] = "error"
    """``text`` writes time columns as text, which can hold 24:00:00."""
    arrays: Literal["list", "json"] = "list"
    """``json`` writes every array as JSON text, which can hold more than one dimension."""


FormatOptions = CsvOptions | JsonOptions | XmlOptions | ParquetOptions

_MODELS: dict[str, type[CsvOptions | JsonOptions | XmlOptions | ParquetOptions]] = {
    "csv": CsvOptions,
    "tsv": TsvOptions,
    "json": JsonOptions,
    "ndjson": JsonOptions,
    "xml": XmlOptions,
    "parquet": ParquetOptions,
}


def options_model(format_name: str) -> type[CsvOptions | JsonOptions | XmlOptions | ParquetOptions]:
    """The options model of a format; ``KeyError`` for a name that is not one."""
    return _MODELS[format_name]
