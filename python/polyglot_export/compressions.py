"""Compressions of a whole file, one record each. Every other list of them is read from here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from polyglot_export.limits import COMPRESSOR_BYTES, ZSTD_BYTES

__all__ = ["Compression", "CompressionRecord"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionRecord:
    """What is known of a compression. Its name is also the ``Content-Encoding`` of RFC 9110, section 8.4."""

    name: str
    ending: str
    """Behind the ending of the format."""
    media_type: str
    """Of a compressed file that is kept as it is."""
    magic: bytes
    """What every compressed file begins with."""
    level: int
    worker_bytes: int = 0
    """Memory of each worker …"""
    shared_bytes: int = 0
    """… and of the export, where all workers share one stream."""


class Compression(StrEnum):
    """Compression of the whole file; text formats only (Parquet compresses inside)."""

    _value_: str
    record: CompressionRecord
    """What is known of the compression."""

    def __new__(cls, record: Any) -> Self:
        member = str.__new__(cls, record.name)
        member._value_ = record.name
        member.record = record
        return member

    # Level 1 of zlib-rs packs too little.
    GZIP = CompressionRecord(
        name="gzip",
        ending=".gz",
        media_type="application/gzip",
        magic=b"\x1f\x8b",
        level=2,
        worker_bytes=COMPRESSOR_BYTES,
    )
    # Level 2 packs less than level 1 and takes twice the memory (on ``records``: ratio 12.3 against 13.8, 23 MB against
    # 12).
    ZSTD = CompressionRecord(
        name="zstd",
        ending=".zst",
        media_type="application/zstd",
        magic=b"\x28\xb5\x2f\xfd",
        level=1,
        shared_bytes=ZSTD_BYTES,
    )
