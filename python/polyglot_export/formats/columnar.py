"""What formats with typed columns have in common: how the types of PostgreSQL become theirs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from polyglot_export.errors import SpecError
from polyglot_export.fields import wrong
from polyglot_export.formats.base import Options

__all__ = ["MANIFEST", "MAX_DECIMAL_PRECISION", "ColumnarOptions"]

MANIFEST = "polyglot.{}"
"""Keys of the manifest in a file."""

MAX_DECIMAL_PRECISION = 38
"""Digits of the widest decimal that readers take (16 bytes)."""


@dataclass(frozen=True, slots=True)
class ColumnarOptions(Options):
    """The options that decide about types; planning reads them (``planning/columns.py``)."""

    numeric_fallback: str = "string"
    """What a numeric without a fitting precision becomes: ``string``, ``double`` or ``decimal(p,s)``."""
    unrepresentable: Literal["error", "null"] = "error"
    """What happens to a value its column cannot hold; ``null`` is counted."""
    time24: Literal["error", "text"] = "error"
    """``text`` writes time columns as text, which can hold 24:00:00."""
    arrays: Literal["list", "json"] = "list"
    """``json`` writes every array as JSON text, which can hold more than one dimension."""

    @property
    def written_as(self) -> Mapping[str, str]:
        """Types of columns (as in ``rust/src/types/parquet_type.rs``) that these options write as another one."""
        return {"time": "string"} if self.time24 == "text" else {}

    @property
    def refused(self) -> Mapping[str, str]:
        """Types for which a reader that many use refuses the file, each with its name in a sentence."""
        return {}

    @property
    def remedy(self) -> str:
        """Who refuses them and what to write instead, as the end of a sentence that begins with the columns."""
        return ""

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
