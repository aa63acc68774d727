"""Numbers of bytes as people write them."""

from __future__ import annotations

import re

__all__ = ["parse_size"]

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SIZE = re.compile(r"(\d+)\s*([kmg]?)i?b?", re.IGNORECASE)


def parse_size(value: object) -> object:
    """``256MB``, ``256MiB``, ``256m`` or ``268435456`` as bytes; units are powers of two, as PostgreSQL reads them.

    Raises:
        ValueError: A text that is none of these. What is no text is given back as it is.
    """
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError("must be a number of bytes, or a number with kB, MB or GB")
    return int(match[1]) * _UNITS[match[2].lower()]
