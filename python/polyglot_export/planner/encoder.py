"""From a format's options to what its encoder reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from polyglot_export.errors import SpecError
from polyglot_export.formats import Format
from polyglot_export.plan import EncoderOptions

if TYPE_CHECKING:
    from polyglot_export.options import CsvOptions, JsonOptions, ParquetOptions, XmlOptions
    from polyglot_export.spec import ExportSpec

__all__ = ["encoder_options"]

MANIFEST = "polyglot.{}"
"""Keys of the manifest in a Parquet footer."""


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


def _xml(options: XmlOptions) -> EncoderOptions:
    return EncoderOptions(
        "xml",
        root=options.root,
        record=options.record,
        json_types=options.json_types,
        invalid_xml_chars=options.invalid_xml_chars,
    )


def _parquet(options: ParquetOptions, targets: Sequence[str], manifest: dict[str, str]) -> EncoderOptions:
    if not targets:
        raise SpecError("columns: parquet needs at least one column", field="columns")
    return EncoderOptions(
        "parquet",
        parquet_compression=options.compression,
        unrepresentable_as_null=options.unrepresentable == "null",
        metadata=tuple((MANIFEST.format(key), value) for key, value in manifest.items()),
    )


def _csv(options: CsvOptions, targets: Sequence[str]) -> EncoderOptions:
    quoted = targets if options.force_quote == "*" else options.force_quote
    unknown = next((name for name in quoted if name not in targets), None)
    if unknown is not None:
        message = f"options.forceQuote: there is no column {unknown!r} in the export; allowed are {', '.join(targets)}"
        raise SpecError(message, field="options.forceQuote")
    return EncoderOptions(
        "csv",
        delimiter=options.delimiter,
        quote=options.quote,
        escape=options.escape or options.quote,
        null=options.null,
        header=options.header,
        force_quote=tuple(target in quoted for target in targets),
        crlf=options.line_end == "crlf",
        bom=options.bom,
        formula_guard=options.formula_guard,
        long_numbers_as_text=options.profile == "excel",
    )
