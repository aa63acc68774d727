"""Compressions of a whole file."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Compression"]


class Compression(StrEnum):
    """Compression of the whole file; text formats only (Parquet compresses inside)."""

    GZIP = "gzip"
    ZSTD = "zstd"
