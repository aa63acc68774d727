"""Named placeholders in SQL: ``:from``, as psql and most drivers write them.

What looks like one inside of a string, a quoted name or a comment is none, and neither are the colons of ``::date``, of
``:=`` and of a slice, ``a[1:n]``: a placeholder has no word, bracket or quote right before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

__all__ = ["count_numbered", "numbered", "placeholders", "with_values"]

_LETTER = r"[A-Za-z_\x80-\U0010ffff]"
"""What may begin a name: also every character beyond ASCII, even the euro sign (PostgreSQL, scan.l)."""
_MORE = r"[A-Za-z0-9_\x80-\U0010ffff]"
_LEXEME = re.compile(
    rf"""(?xs)
      (?P<comment>/\*)
    | --[^\n\r]*
    | [eE]'(?:[^'\\]|\\.|''               # escape string, which goes on behind a line break: its backslashes escape too
        |'(?:[ \t\f\v]|--[^\n\r]*)*[\n\r](?:\s|--[^\n\r]*[\n\r])*')*'
    | '(?:[^']|'')*'                        # string, standard_conforming_strings is on
    | "(?:[^"]|"")*"                        # quoted identifier
    | \$(?P<tag>(?:{_LETTER}{_MORE}*)?)\$.*?\$(?P=tag)\$
    | ::|:=
    | (?<![A-Za-z0-9_\x80-\U0010ffff$\])"']):(?P<name>{_LETTER}{_MORE}*)  # not that of a slice
    | {_LETTER}(?:{_MORE}|\$)*                         # a word, so that its last letter does not start a string
    | .
"""
)
_COMMENT_PART = re.compile(r"/\*|\*/")


def placeholders(text: str) -> tuple[str, ...]:
    """The names of the placeholders, each once, in their order."""
    return tuple(dict.fromkeys(name for name, _, _ in _found(text)))


def with_values(text: str, written: Mapping[str, str]) -> str:
    """The text with something in place of each placeholder, and percent signs as psycopg wants them.

    Args:
        text: SQL.
        written: By name, what is written in its place: with placeholders of psycopg, such as ``%(name)s``.
    """
    pieces: list[str] = []
    at = 0
    for name, start, end in _found(text):
        pieces += [text[at:start].replace("%", "%%"), written[name]]
        at = end
    pieces.append(text[at:].replace("%", "%%"))
    return "".join(pieces)


def numbered(text: str, types: Mapping[str, str]) -> str:
    """The text with ``$1``, ``$2`` and so on in place of the placeholders, each in a cast to its type.

    A server that finds as many parameters in it has proved that none of them is a part of a string or a comment.
    """
    pieces: list[str] = []
    at = 0
    for number, (name, start, end) in enumerate(_found(text), 1):
        pieces += [text[at:start], f"CAST(${number} AS {types[name]})"]
        at = end
    pieces.append(text[at:])
    return "".join(pieces)


def count_numbered(text: str) -> int:
    """How many parameters a server must find in what :func:`numbered` wrote."""
    return len(re.findall(r"CAST\(\$\d+ AS ", text))


def _found(text: str) -> Iterator[tuple[str, int, int]]:
    """Each placeholder with its place, the colon included."""
    at = 0
    while (match := _LEXEME.match(text, at)) is not None:
        at = match.end()
        if match["comment"] is not None:
            at = _comment_end(text, at)
        elif match["name"] is not None:
            yield match["name"], match.start("name") - 1, at


def _comment_end(text: str, at: int) -> int:
    """Block comments nest (PostgreSQL manual, "Lexical Structure", Comments)."""
    depth = 1
    while depth:
        part = _COMMENT_PART.search(text, at)
        if part is None:
            return len(text)
        depth += 1 if part[0] == "/*" else -1
        at = part.end()
    return at
