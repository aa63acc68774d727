"""Parquet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator

from polyglot_export.errors import SpecError
from polyglot_export.formats.base import EncoderOptions, _Options
from polyglot_export.formats.names import MAX_DECIMAL_PRECISION

__all__ = ["MANIFEST", "ParquetOptions"]


def _numeric_fallback(value: str) -> str:
    if value in ("string", "double"):
        return value
    match = re.fullmatch(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)", value)
    if match is None:
        raise ValueError("must be string, double or decimal(precision,scale)")
    precision, scale = int(match[1]), int(match[2])
    if not (1 <= precision <= MAX_DECIMAL_PRECISION and scale <= precision):
        raise ValueError(
            f"decimal(precision,scale) needs a precision of 1 to {MAX_DECIMAL_PRECISION} and a scale of 0 to the "
            "precision"
        )
    return f"decimal({precision},{scale})"


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


MANIFEST = "polyglot.{}"
"""Keys of the manifest in a Parquet footer."""


def _parquet(options: ParquetOptions, targets: Sequence[str], manifest: dict[str, str]) -> EncoderOptions:
    if not targets:
        raise SpecError("columns", "parquet needs at least one column")
    return EncoderOptions(
        "parquet",
        parquet_compression=options.compression,
        unrepresentable_as_null=options.unrepresentable == "null",
        metadata=tuple((MANIFEST.format(key), value) for key, value in manifest.items()),
    )
