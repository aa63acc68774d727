"""Named placeholders in SQL: ``:from``, as psql and most drivers write them.

What looks like one inside of a string, a quoted name or a comment is none, and neither are the colons of ``::date``, of
``:=`` and of a slice, ``a[1:n]``: a placeholder has no word, bracket or quote right before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from polyglot_export.sources.lexemes import lexemes

__all__ = ["count_numbered", "numbered", "placeholders", "with_values"]


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
    for lexeme in lexemes(text):
        if lexeme.name is not None:
            yield lexeme.name, lexeme.start, lexeme.end
