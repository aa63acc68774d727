"""How a sample value is written in SQL."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Sql", "Value", "literal"]


@dataclass(frozen=True, slots=True)
class Sql:
    """An expression, for values that are too long or too odd for a literal."""

    text: str


Value = str | Sql


def literal(value: Value) -> str:
    """The value as SQL; a quoted literal has no type yet, so a column of any type takes it."""
    return value.text if isinstance(value, Sql) else "'" + value.replace("'", "''") + "'"
