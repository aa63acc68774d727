"""Parquet."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from polyglot_export.errors import SpecError
from polyglot_export.fields import wrong
from polyglot_export.formats.base import EncoderOptions, FormatRecord, Memory, Options
from polyglot_export.limits import (
    PARQUET_COLUMN_BYTES,
    PARQUET_COLUMNS_BYTES,
    PARQUET_PAGES_PER_SEGMENT,
    PARQUET_ROW_BYTES,
    PARQUET_ROW_FACTOR,
)

__all__ = ["MANIFEST", "MAX_DECIMAL_PRECISION", "PARQUET", "ParquetOptions"]

MAX_DECIMAL_PRECISION = 38
"""Digits of the widest DECIMAL that readers of Parquet take (16 bytes)."""
MANIFEST = "polyglot.{}"
"""Keys of the manifest in a Parquet footer."""


@dataclass(frozen=True, slots=True)
class ParquetOptions(Options):
    """Parquet with logical types, written as a stream."""

    compression: Literal["snappy", "zstd", "lz4_raw", "gzip", "none"] = "snappy"
    numeric_fallback: str = "string"
    """What a numeric without a fitting precision becomes: ``string``, ``double`` or ``decimal(p,s)``."""
    unrepresentable: Literal["error", "null"] = "error"
    """What happens to a value its column cannot hold; ``null`` is counted."""
    time24: Literal["error", "text"] = "error"
    """``text`` writes time columns as text, which can hold 24:00:00."""
    arrays: Literal["list", "json"] = "list"
    """``json`` writes every array as JSON text, which can hold more than one dimension."""

    def _check(self) -> None:
        object.__setattr__(self, "numeric_fallback", _numeric_fallback(self.numeric_fallback))


def _numeric_fallback(value: str) -> str:
    if value in ("string", "double"):
        return value
    match = re.fullmatch(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)", value)
    if match is None:
        raise SpecError("numericFallback", wrong("must be string, double or decimal(precision,scale)", value).reason)
    precision, scale = int(match[1]), int(match[2])
    if not (1 <= precision <= MAX_DECIMAL_PRECISION and scale <= precision):
        reason = (
            f"decimal(precision,scale) needs a precision of 1 to {MAX_DECIMAL_PRECISION} and a scale of 0 to the "
            "precision"
        )
        raise SpecError("numericFallback", wrong(reason, value).reason)
    return f"decimal({precision},{scale})"


def _encoder_options(options: ParquetOptions, targets: Sequence[str], manifest: Mapping[str, str]) -> EncoderOptions:
    if not targets:
        raise SpecError("columns", "parquet needs at least one column")
    return EncoderOptions(
        "parquet",
        parquet_compression=options.compression,
        unrepresentable_as_null=options.unrepresentable == "null",
        metadata=tuple((MANIFEST.format(key), value) for key, value in manifest.items()),
    )


PARQUET = FormatRecord(
    name="parquet",
    title="Parquet",
    endings=(".parquet",),
    media_type="application/vnd.apache.parquet",
    magic=b"PAR1",
    options=ParquetOptions,
    encoder_options=_encoder_options,
    is_text=False,
    columnar=True,
    pages_per_segment=PARQUET_PAGES_PER_SEGMENT,
    memory=Memory(
        row_bytes=PARQUET_ROW_BYTES,
        row_factor=PARQUET_ROW_FACTOR,
        column_bytes=PARQUET_COLUMN_BYTES,
        columns_bytes=PARQUET_COLUMNS_BYTES,
        row_groups=True,
    ),
)
