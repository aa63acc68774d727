"""The words of a spec that the planner knows too: formats, compressions, operators. Unlike a spec they cost nothing to import."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["MAX_DECIMAL_PRECISION", "Compression", "FilterOp", "Format"]

MAX_DECIMAL_PRECISION = 38
"""Digits of the widest DECIMAL that readers of Parquet take (16 bytes)."""


class Format(StrEnum):
    """The formats an export can be written in."""

    CSV = "csv"
    TSV = "tsv"
    JSON = "json"
    NDJSON = "ndjson"
    XML = "xml"
    PARQUET = "parquet"


class Compression(StrEnum):
    """Compression of the whole file; text formats only (Parquet compresses inside)."""

    GZIP = "gzip"
    ZSTD = "zstd"


class FilterOp(StrEnum):
    """The comparisons a filter term may make."""

    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    IN = "in"
    BETWEEN = "between"
    LIKE = "like"
    IS_NULL = "isNull"
    IS_NOT_NULL = "isNotNull"
