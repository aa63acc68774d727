"""All formats, one line each. Every other list of formats, endings, media types or options is read from here."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Self

from polyglot_export.formats.arrow import ARROW, FEATHER, ArrowOptions
from polyglot_export.formats.base import FormatRecord
from polyglot_export.formats.csv import CSV, TSV, CsvOptions
from polyglot_export.formats.json import JSON, NDJSON, JsonOptions
from polyglot_export.formats.parquet import PARQUET, ParquetOptions
from polyglot_export.formats.xlsx import XLSX, XlsxOptions
from polyglot_export.formats.xml import XML, XmlOptions

__all__ = ["Format", "FormatOptions"]

FormatOptions = CsvOptions | JsonOptions | XmlOptions | ParquetOptions | ArrowOptions | XlsxOptions


class Format(StrEnum):
    """The formats an export can be written in."""

    _value_: str
    record: FormatRecord[Any]
    """What is known of the format."""

    def __new__(cls, record: Any) -> Self:
        member = str.__new__(cls, record.name)
        member._value_ = record.name
        member.record = record
        return member

    CSV = CSV
    TSV = TSV
    JSON = JSON
    NDJSON = NDJSON
    XML = XML
    PARQUET = PARQUET
    XLSX = XLSX
    ARROW = ARROW
    FEATHER = FEATHER
