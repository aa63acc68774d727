"""JSON and NDJSON."""

from __future__ import annotations

from typing import Literal

from polyglot_export.formats.base import _Options

__all__ = ["JsonOptions"]


class JsonOptions(_Options):
    """JSON and NDJSON: each row as ``row_to_json`` writes it."""

    big_numbers: Literal["number", "string"] = "number"
    """``string`` quotes int8 and numeric, for readers that hold doubles."""
