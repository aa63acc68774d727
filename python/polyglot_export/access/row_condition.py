"""A condition in SQL that the rows of a dataset fulfil for a caller, with typed parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from polyglot_export.access.parameters import read_type
from polyglot_export.errors import SpecError
from polyglot_export.fields import Record, is_number, read_record, read_text, within
from polyglot_export.request.sql_text import SqlText
from polyglot_export.sources.placeholders import numbered, placeholders, with_values

__all__ = ["RowCondition"]

MAX_SQL = 10_000
"""Characters of a condition."""
_NAME = r"[A-Za-z_]\w*"


def _value(given: object) -> str | tuple[str | None, ...] | None:
    """A value as the text that the type's input function reads; a list for an array."""
    if isinstance(given, list | tuple):
        return tuple(_scalar(each) for each in given)
    return None if given is None else _scalar(given)


def _scalar(given: object) -> str:
    if isinstance(given, bool):
        return "true" if given else "false"
    text = str(given) if is_number(given) or hasattr(given, "isoformat") else read_text(given)
    if "\0" in text:
        raise SpecError(None, "must be text without the character U+0000")
    return text


@dataclass(frozen=True, slots=True)
class _Parameter(Record):
    """A parameter of a condition."""

    type: str = field(metadata={"read": read_type})
    """Of the database, such as ``int``, ``date`` or ``text[]``."""
    value: str | tuple[str | None, ...] | None = field(default=None, metadata={"read": _value})
    """What stands for it; a list for an array."""


def _sql(given: object) -> str:
    text = read_text(given)
    if not text.strip() or "\0" in text or len(text) > MAX_SQL:
        raise SpecError(None, f"must be a condition in SQL of 1 to {MAX_SQL:,} characters")
    return text


def _parameters(given: object) -> tuple[tuple[str, _Parameter], ...]:
    if isinstance(given, tuple):
        return given
    if not isinstance(given, Mapping):
        raise SpecError(None, "must be a table of parameters, each with type and value")
    found = []
    for name, parameter in given.items():
        with within(str(name)):
            if not isinstance(name, str) or re.fullmatch(_NAME, name, re.ASCII) is None:
                raise SpecError(None, "must be a name of letters, digits and underscores")
            found.append((name, read_record(_Parameter, parameter)))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class RowCondition(Record):
    """A condition as it stands behind WHERE. It may name any column, also those that the caller may not read."""

    sql: str = field(metadata={"read": _sql})
    """The condition, with ``:name`` for its parameters."""
    parameters: tuple[tuple[str, _Parameter], ...] = field(default=(), metadata={"read": _parameters})
    """By name, the type and the value of each."""

    def _check(self) -> None:
        used = placeholders(self.sql)
        known = dict(self.parameters)
        for name in used:
            if name not in known:
                raise SpecError("sql", f"names the parameter :{name}, which parameters do not have")
        for name in known:
            if name not in used:
                raise SpecError(f"parameters.{name}", "is not in the condition")

    @classmethod
    def is_meant(cls, given: object) -> bool:
        """Whether somebody wrote a condition in SQL, and not columns with their values or a term."""
        if isinstance(given, cls):
            return True
        return isinstance(given, Mapping) and "sql" in given and given.keys() <= {"sql", "parameters"}

    def composed(self) -> SqlText:
        """What the driver composes: every value is a literal, cast to its type.

        Raises:
            SpecError: A parameter has no value.
        """
        values: dict[str, Any] = {}
        for name, parameter in self.parameters:
            if parameter.value is None:
                raise SpecError(f"parameters.{name}.value", "is missing")
            values[name] = list(parameter.value) if isinstance(parameter.value, tuple) else parameter.value
        types = {name: parameter.type for name, parameter in self.parameters}
        written = {name: f"CAST(%({name})s AS {type_})" for name, type_ in types.items()}
        return SqlText(with_values(self.sql, written), values, numbered(self.sql, types))

    def dumped(self) -> dict[str, Any]:
        """As data for JSON."""
        parameters = {name: {"type": each.type, "value": each.value} for name, each in self.parameters}
        return {"sql": self.sql, "parameters": parameters}
