"""Text in the cells of a terminal: how wide it is, and what of it is safe to show."""

from __future__ import annotations

__all__ = ["cell_width", "cut_to", "padded", "visible"]

ELLIPSIS = "…"

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_WIDE = frozenset("WF")
"""East Asian Wide and Fullwidth take two cells (Unicode Standard Annex 11)."""


def visible(text: str) -> str:
    """The text with every character escaped that is not printed: line breaks, controls that would steer the terminal,
    and marks that turn the direction of writing.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def cell_width(text: str) -> int:
    """How many cells of a terminal a visible text takes."""
    if text.isascii():
        return len(text)
    return sum(_cells(each) for each in text)


def cut_to(text: str, width: int) -> str:
    """The text, or its beginning with … behind it where it is wider than ``width`` cells."""
    if cell_width(text) <= width:
        return text
    kept: list[str] = []
    left = width - 1
    for each in text:
        left -= _cells(each)
        if left < 0:
            break
        kept.append(each)
    return "".join(kept) + ELLIPSIS


def padded(text: str, width: int, *, right: bool = False) -> str:
    """The text with blanks in front (``right``) or behind, so that it takes ``width`` cells."""
    blanks = " " * (width - cell_width(text))
    return blanks + text if right else text + blanks


def _cells(character: str) -> int:
    # Commands that show names use this module too, and most names need no table of Unicode.
    import unicodedata

    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1


def _escaped(character: str) -> str:
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return f"\\u{code:04x}" if code > 0xFF else f"\\x{code:02x}"
