"""Arrow: the stream and the file (Feather) of its IPC."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from polyglot_export.errors import SpecError
from polyglot_export.formats.base import EncoderOptions, FormatRecord, Memory
from polyglot_export.formats.columnar import MANIFEST, ColumnarOptions
from polyglot_export.limits import (
    ARROW_BATCH_BYTES,
    ARROW_BATCH_FACTOR,
    ARROW_COLUMN_BYTES,
    ARROW_COLUMNS_BYTES,
    ARROW_ROW_BYTES,
    ARROW_ROW_FACTOR,
)

__all__ = ["ARROW", "FEATHER", "ArrowOptions"]


@dataclass(frozen=True, slots=True)
class ArrowOptions(ColumnarOptions):
    """Record batches as Arrow keeps them in memory, compressed or not."""

    compression: Literal["lz4", "zstd", "none"] = "lz4"
    """Of the buffers inside the file."""


def _encoder(container: str) -> Callable[[ArrowOptions, Sequence[str], Mapping[str, str]], EncoderOptions]:
    def encoder_options(options: ArrowOptions, targets: Sequence[str], manifest: Mapping[str, str]) -> EncoderOptions:
        if not targets:
            raise SpecError("columns", "arrow needs at least one column")
        return EncoderOptions(
            "arrow",
            arrow_container=container,
            arrow_compression=options.compression,
            unrepresentable_as_null=options.unrepresentable == "null",
            metadata=tuple((MANIFEST.format(key), value) for key, value in manifest.items()),
        )

    return encoder_options


_MEMORY = Memory(
    row_bytes=ARROW_ROW_BYTES,
    row_factor=ARROW_ROW_FACTOR,
    column_bytes=ARROW_COLUMN_BYTES,
    columns_bytes=ARROW_COLUMNS_BYTES,
    batch_bytes=ARROW_BATCH_BYTES,
    batch_factor=ARROW_BATCH_FACTOR,
)

ARROW = FormatRecord(
    name="arrow",
    title="Arrow",
    endings=(".arrows",),
    media_type="application/vnd.apache.arrow.stream",
    options=ArrowOptions,
    encoder_options=_encoder("stream"),
    reading=lambda _options: EncoderOptions("arrow", arrow_container="stream"),
    is_text=False,
    columnar=True,
    memory=_MEMORY,
)
FEATHER = FormatRecord(
    name="feather",
    title="Feather",
    endings=(".feather", ".arrow"),
    media_type="application/vnd.apache.arrow.file",
    options=ArrowOptions,
    encoder_options=_encoder("file"),
    reading=lambda _options: EncoderOptions("arrow", arrow_container="file"),
    is_text=False,
    columnar=True,
    memory=_MEMORY,
)
