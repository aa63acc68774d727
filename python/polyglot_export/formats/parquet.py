"""Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from polyglot_export.errors import SpecError
from polyglot_export.formats.base import EncoderOptions, FormatRecord, Memory
from polyglot_export.formats.columnar import MANIFEST, ColumnarOptions
from polyglot_export.limits import (
    PARQUET_COLUMN_BYTES,
    PARQUET_COLUMNS_BYTES,
    PARQUET_PAGES_PER_SEGMENT,
    PARQUET_ROW_BYTES,
    PARQUET_ROW_FACTOR,
)

__all__ = ["PARQUET", "ParquetOptions"]


@dataclass(frozen=True, slots=True)
class ParquetOptions(ColumnarOptions):
    """Parquet with logical types, written as a stream."""

    compression: Literal["snappy", "zstd", "lz4_raw", "gzip", "none"] = "snappy"


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
    options=ParquetOptions,
    encoder_options=_encoder_options,
    reading=lambda _options: EncoderOptions("parquet"),
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
