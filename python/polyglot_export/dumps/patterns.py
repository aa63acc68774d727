"""Names of tables and schemas as psql and pg_dump take them.

PostgreSQL manual, psql, "Patterns": ``*`` stands for any characters and ``?`` for one, a dot separates schema and name,
what is not in double quotes is folded to lower case, and within them no character is special. The rest is a regular
expression of the server's, so that ``orders_[0-9]*`` works; ``$`` is always itself.
"""

from __future__ import annotations

from typing import NamedTuple

from polyglot_export.errors import SpecError

__all__ = ["Pattern", "schema_pattern", "table_pattern"]

_SPECIAL = frozenset("|*+?()[]{}.^$\\")
"""The special characters of the server's regular expressions."""
_WILD = frozenset("*?|+()[]{}^\\")
"""What makes a pattern one that may match several names."""


class Pattern(NamedTuple):
    """What a name must be like: the server's regular expressions for its parts, to be matched whole."""

    text: str
    """As the user wrote it."""
    schema: str | None
    """``None`` for a table that is found by the search path."""
    name: str | None
    """``None`` for every one of a schema."""
    literal: bool
    """It can only mean one relation."""


def table_pattern(text: str, field: str) -> Pattern:
    """A pattern for tables: ``name`` or ``schema.name``.

    Raises:
        SpecError: It is none.
    """
    parts, literal = _parts(text, field)
    if len(parts) > 2:
        raise SpecError(field, "has too many dots: a pattern is NAME or SCHEMA.NAME", given=text)
    schema = parts[0] if len(parts) == 2 else None
    return Pattern(text, schema, parts[-1], literal)


def schema_pattern(text: str, field: str) -> Pattern:
    """A pattern for schemas.

    Raises:
        SpecError: It is none.
    """
    parts, literal = _parts(text, field)
    if len(parts) > 1:
        raise SpecError(field, "must be the name of a schema, without a dot", given=text)
    return Pattern(text, parts[0], None, literal)


def _parts(text: str, field: str) -> tuple[list[str], bool]:
    """The regular expression of each part between dots, and whether none of them is wild."""
    parts, literal, quoted = [""], True, False
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if character == '"':
            if quoted and text[position : position + 1] == '"':
                parts[-1] += '"'
                position += 1
            else:
                quoted = not quoted
        elif character == "." and not quoted:
            parts.append("")
        elif quoted or character == "$":
            parts[-1] += f"\\{character}" if character in _SPECIAL else character
        else:
            literal = literal and character not in _WILD
            parts[-1] += {"*": ".*", "?": "."}.get(character) or character.lower()
    if quoted:
        raise SpecError(field, "has an opening double quote without its closing one", given=text)
    if not all(parts) or "\0" in text:
        raise SpecError(field, "must be a name, or a pattern with * and ?", given=text)
    return parts, literal
