"""The words of a spec that the planner knows too: formats, compressions, operators. Unlike a spec they cost nothing to
import.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["MAX_DECIMAL_PRECISION", "Format"]

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
