"""SQL as a row of lexemes, as far as it must be known what is a string, a quoted name or a comment and what is not.

It is PostgreSQL's own grammar of lexemes (scan.l; manual, "Lexical Structure") with ``standard_conforming_strings`` on.
Where this reads a text otherwise than the server does, what is made of it must be something that the server refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

__all__ = ["Kind", "Lexeme", "lexemes"]

_LETTER = r"[A-Za-z_\x80-\U0010ffff]"
"""What may begin a name: also every character beyond ASCII, even the euro sign."""
_MORE = r"[A-Za-z0-9_\x80-\U0010ffff]"
_LEXEME = rf"""(?xs)
      (?P<blank>\s+|--[^\n\r]*)
    | (?P<comment>/\*)
    | (?P<end>;)
    | [eE]'(?:[^'\\]|\\.|''               # escape string, which goes on behind a line break: its backslashes escape too
        |'(?:[ \t\f\v]|--[^\n\r]*)*[\n\r](?:\s|--[^\n\r]*[\n\r])*')*'
    | '(?:[^']|'')*'
    | "(?:[^"]|"")*"                        # quoted identifier
    | \$(?P<tag>(?:{_LETTER}{_MORE}*)?)\$.*?\$(?P=tag)\$
    | ::|:=
    | (?<![A-Za-z0-9_\x80-\U0010ffff$\])"']):(?P<name>{_LETTER}{_MORE}*)  # not that of a slice
    | {_LETTER}(?:{_MORE}|\$)*              # a word, so that its last letter does not start a string
    | .
"""
"""Compiled when it is needed: of all exports few have a text of SQL, and its large sets of characters take a tenth of
a small one's time."""
_COMMENT_PART = re.compile(r"/\*|\*/")


class Kind(Enum):
    """What is told apart."""

    BLANK = "blank"
    """White space, or a comment."""
    END = "end"
    """A semicolon."""
    PLACEHOLDER = "placeholder"
    """``:name``."""
    OTHER = "other"


class Lexeme(NamedTuple):
    """A piece of the text."""

    kind: Kind
    start: int
    end: int
    name: str | None = None
    """Of a placeholder."""


def lexemes(text: str) -> Iterator[Lexeme]:
    """All lexemes, in their order and without gaps."""
    at = 0
    # The last alternative takes any character, so that there is always a match before the end.
    pattern = re.compile(_LEXEME)  # which keeps what it has compiled
    while (match := pattern.match(text, at)) is not None:
        start, at = at, match.end()
        if match["comment"] is not None:
            at = _comment_end(text, at)
            yield Lexeme(Kind.BLANK, start, at)
        elif match["blank"] is not None:
            yield Lexeme(Kind.BLANK, start, at)
        elif match["end"] is not None:
            yield Lexeme(Kind.END, start, at)
        elif match["name"] is not None:
            yield Lexeme(Kind.PLACEHOLDER, start, at, match["name"])
        else:
            yield Lexeme(Kind.OTHER, start, at)


def _comment_end(text: str, at: int) -> int:
    """Block comments nest."""
    depth = 1
    while depth:
        part = _COMMENT_PART.search(text, at)
        if part is None:
            return len(text)
        depth += 1 if part[0] == "/*" else -1
        at = part.end()
    return at
