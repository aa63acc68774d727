"""Named placeholders in SQL: ``:from``, as psql and most drivers write them.

What looks like one inside of a string, a quoted name or a comment is none, and neither are the colons of ``::date``, of
``:=`` and of a slice, ``a[1:n]``: a placeholder has no word, bracket or quote right before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from polyglot_export.sources.lexemes import lexemes

__all__ = ["numbered", "placeholders", "with_values"]


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


def numbered(text: str, types: Mapping[str, str] | None = None) -> tuple[str, tuple[str, ...]]:
    """The text with ``$1``, ``$2`` and so on in place of the placeholders, and the name behind each number.

    A server that finds as many parameters in it has proved that none of them is a part of a string or a comment.

    Args:
        text: SQL.
        types: By name, the type that each is cast to; without them the server says which they are.
    """
    pieces: list[str] = []
    names: list[str] = []
    at = 0
    for name, start, end in _found(text):
        names.append(name)
        number = f"${len(names)}"
        pieces += [text[at:start], number if types is None else f"CAST({number} AS {types[name]})"]
        at = end
    pieces.append(text[at:])
    return "".join(pieces), tuple(names)


def _found(text: str) -> Iterator[tuple[str, int, int]]:
    """Each placeholder with its place, the colon included."""
    for lexeme in lexemes(text):
        if lexeme.name is not None:
            yield lexeme.name, lexeme.start, lexeme.end
