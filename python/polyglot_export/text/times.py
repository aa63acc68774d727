"""Times and speeds as people read them."""

from __future__ import annotations

__all__ = ["rows_per_second", "seconds_text"]


def seconds_text(seconds: float, digits: int = 1) -> str:
    """``1.9 s``, with this many digits behind the point."""
    return f"{seconds:.{digits}f} s"


def rows_per_second(rows: int, seconds: float) -> str:
    """``526,315 rows/s``; empty where there is nothing to divide."""
    return f"{rows / seconds:,.0f} rows/s" if rows and seconds > 0 else ""
