"""Times and speeds as people read them."""

from __future__ import annotations

import re

__all__ = ["parse_seconds", "rows_per_second", "seconds_text"]

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
"""As PostgreSQL names them in its settings (manual, "Parameter Interaction via the Configuration File")."""
_TIME = r"(?i)(-?\d+(?:\.\d*)?|-?\.\d+)\s*(ms|s|min|h|d)?"


def parse_seconds(value: object) -> object:
    """``10s``, ``500ms``, ``5min``, ``2h``, ``1d`` or ``10`` as seconds.

    Raises:
        ValueError: A text that is none of these. What is no text is given back as it is.
    """
    if not isinstance(value, str):
        return value
    match = re.fullmatch(_TIME, value.strip())
    if match is None:
        raise ValueError("must be a number of seconds, or a number with ms, s, min, h or d")
    return float(match[1]) * _UNITS[(match[2] or "").lower()]


def seconds_text(seconds: float, digits: int = 1) -> str:
    """``1.9 s``, with this many digits behind the point."""
    return f"{seconds:.{digits}f} s"


def rows_per_second(rows: int, seconds: float) -> str:
    """``526,315 rows/s``; empty where there is nothing to divide."""
    return f"{rows / seconds:,.0f} rows/s" if rows and seconds > 0 else ""
