"""Whole numbers that people write."""

from __future__ import annotations

__all__ = ["read_count"]

MAX_DIGITS = 30
"""More than any count has that is taken; a few thousand are refused by ``int``, since they take quadratic time."""


def read_count(text: str) -> int | str:
    """A text of decimal digits as a number, whose digits beyond :data:`MAX_DIGITS` are left out: it is far too large
    anyway. Any other text stays as it is, for whoever says what is allowed.
    """
    if not (text.isascii() and text.isdecimal()):
        return text
    return int(text.lstrip("0")[:MAX_DIGITS] or "0")
