"""All formats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from polyglot_export.formats.base import EncoderOptions
from polyglot_export.formats.csv import CsvOptions, TsvOptions, _csv
from polyglot_export.formats.json import JsonOptions
from polyglot_export.formats.names import Format
from polyglot_export.formats.parquet import ParquetOptions, _parquet
from polyglot_export.formats.xml import XmlOptions, _xml

if TYPE_CHECKING:
    from polyglot_export.request.spec import ExportSpec


__all__ = ["FormatOptions", "encoder_options", "options_model"]

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


def encoder_options(spec: ExportSpec, targets: Sequence[str], manifest: dict[str, str]) -> EncoderOptions:
    """The options of all formats, resolved.

    Args:
        spec: What the caller wants.
        targets: Names of the columns in the file.
        manifest: What a Parquet footer says about the export.

    Raises:
        SpecError: forceQuote names a column that is not exported; Parquet without columns.
    """
    # A spec has the options of its format; their classes are not asked, since that would import pydantic.
    match spec.format:
        case Format.CSV | Format.TSV:
            return _csv(cast("CsvOptions", spec.options), targets)
        case Format.JSON | Format.NDJSON:
            as_strings = cast("JsonOptions", spec.options).big_numbers == "string"
            return EncoderOptions(spec.format.value, big_numbers_as_strings=as_strings)
        case Format.XML:
            return _xml(cast("XmlOptions", spec.options))
        case Format.PARQUET:
            return _parquet(cast("ParquetOptions", spec.options), targets, manifest)
