"""The values of a row as a preview shows them: what is long or nested deeply as the beginning of its text.

Only values that are shown whole become objects. A document of a megabyte would take a hundred, one with a thousand
levels cannot be read by Python or written again, and a number may have an exponent that no decimal has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

__all__ = ["CELL", "Cut", "shown_values"]

CELL = 1_000
"""Characters of a value that are shown."""
LEVELS = 100
"""Of a document that is shown as one. What writes and reads it needs some calls a level, of which Python allows a
thousand."""

Cut = tuple[int, int]
"""The column of a value that is shown in part, counted from 0, and how many characters it has."""

_TEXT = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_STRING = re.compile(_TEXT, re.DOTALL)
_NAME = re.compile(rb"[\s,{]*" + _TEXT + rb"\s*:\s*", re.DOTALL)
"""Of a value, up to where that begins."""
_MARK = re.compile(_TEXT + rb"|([\[{])|[\]}]", re.DOTALL)
"""What decides where a document ends."""
_PLAIN = re.compile(rb"[^\s,}]*")
"""A number or a word."""


def shown_values(line: bytes) -> tuple[list[Any], list[Cut]]:
    """The values of a row.

    Args:
        line: The row as a JSON object.

    Returns:
        JSON values, with numbers as :class:`~decimal.Decimal`; and which of them are shown in part.
    """
    values: list[Any] = []
    cut: list[Cut] = []
    for column, (text, levels) in enumerate(_texts(line)):
        value = _value(text, levels)
        if isinstance(value, str) and len(value) > CELL:
            cut.append((column, len(value)))
            value = value[:CELL]
        values.append(value)
    return values, cut


def _texts(line: bytes) -> Iterator[tuple[bytes, int]]:
    """Each value of an object as its text, and how many levels it has."""
    at = 0
    while (name := _NAME.match(line, at)) is not None:
        at, levels = _end(line, name.end())
        yield line[name.end() : at], levels


def _end(line: bytes, begin: int) -> tuple[int, int]:
    """Where a value ends, and how many levels it has."""
    if line[begin : begin + 1] not in (b"[", b"{"):
        found = _STRING.match(line, begin) or _PLAIN.match(line, begin)
        return (len(line) if found is None else found.end()), 0
    level = levels = 0
    for mark in _MARK.finditer(line, begin):
        if mark[1] is not None:
            level += 1
            levels = max(levels, level)
        elif mark[0] in (b"]", b"}"):
            level -= 1
            if not level:
                return mark.end(), levels
    return len(line), levels


def _value(text: bytes, levels: int) -> Any:
    if text.startswith(b'"'):
        return json.loads(text)
    shown = text.decode(errors="replace")
    if len(shown) > CELL or levels > LEVELS:
        return shown
    # Not int, which refuses more than 4,300 digits.
    return json.loads(shown, parse_float=_number, parse_int=Decimal)


def _number(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:
        # Its exponent has more digits than those of the decimal module may have.
        return text
