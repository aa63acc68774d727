"""Numbers of bytes, and of other things, as people write and read them."""

from __future__ import annotations

import re

from polyglot_export.text.counts import read_count

__all__ = ["counted", "parse_size", "size_text"]

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SIZE = r"(?i)([0-9]+)\s*([kmg]?)i?b?"

_DECIMAL_UNITS = ("B", "kB", "MB", "GB", "TB")


def parse_size(value: object) -> object:
    """``256MB``, ``256MiB``, ``256m`` or ``268435456`` as bytes; units are powers of two, as PostgreSQL reads them.

    Raises:
        ValueError: A text that is none of these. What is no text is given back as it is.
    """
    if not isinstance(value, str):
        return value
    match = re.fullmatch(_SIZE, value.strip())
    if match is None:
        raise ValueError("must be a number of bytes, or a number with kB, MB or GB")
    return int(read_count(match[1])) * _UNITS[match[2].lower()]


def size_text(size: float) -> str:
    """Bytes in decimal units, as file managers and networks count them: ``35.2 MB`` are 35,200,000 bytes."""
    for unit in _DECIMAL_UNITS[:-1]:
        if size < 1000:
            return f"{size:,.0f} B" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} {_DECIMAL_UNITS[-1]}"


def counted(number: int, noun: str) -> str:
    """``1 row``, ``1,000 rows``: for nouns whose plural ends in s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
