"""Typed parameters of configured queries: what a request may give, and how its values become SQL.

A value is text, quoted by the driver and cast to the declared type by the server, which alone decides what a type
takes. Nothing of a request ever becomes SQL itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from polyglot_export.errors import SpecError
from polyglot_export.fields import Record, read_record, within
from polyglot_export.sources.placeholders import numbered, placeholders, with_values

__all__ = ["Bound", "Parameter", "bind", "bind_untyped", "check_names", "kind_of", "read_parameters", "read_type"]

MAX_DIGITS = 1_000
"""Of a number before or behind its point: ``1e999999999`` is short in JSON and long in SQL."""
_TYPE = re.compile(r"(?:\w+|\"(?:[^\"\0]|\"\")+\")(?:[ .](?:\w+|\"(?:[^\"\0]|\"\")+\"))*(?P<array>(?:\[\])*)")

_CUTS = re.compile(r"(?i)(?:national +)?(?:char|character)|nchar|bit|interval +.*")
"""``char`` is ``char(1)``, ``bit`` is ``bit(1)`` and ``interval year`` drops the days: a cast to them cuts silently."""


def read_type(given: object) -> str:
    """The name of a type that takes whole values.

    Raises:
        SpecError: It is none, or a cast to it would cut them.
    """
    if isinstance(given, str) and _CUTS.fullmatch(given.rstrip("[]")):
        reason = f"must be a type that takes whole values, such as text, bit varying or interval (got {given!r})"
        raise SpecError(None, f"{reason}; a cast to this one would cut them")
    if isinstance(given, str) and _TYPE.fullmatch(given):
        return given
    hint = "; without a length or precision, by which a value would be cut or rounded" if "(" in str(given) else ""
    raise SpecError(None, f"must be the name of a type such as date, numeric or text[] (got {given!r}){hint}")


def _default(given: object) -> Any:
    if isinstance(given, str | int | float | Decimal | bool | list | tuple):
        return given
    raise SpecError(None, "must be a text, a number, true or false, or a list of these")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter(Record):
    """One parameter of a configured query, in short only its type."""

    type: str = field(metadata={"read": read_type})
    """Of PostgreSQL, as ``date``, ``text[]`` or ``sales.state``; without a length or precision."""
    default: Any = field(default=None, metadata={"read": lambda given: given if given is None else _default(given)})
    """What stands for a value that is not given, such as ``today``, ``now`` or ``0``. Without one it must be given."""
    nullable: bool = False
    """Whether null may be given; without a default it also need not be given then."""
    comment: str | None = None
    """What it is for, for those who ask ``GET /datasets/NAME``."""

    @classmethod
    def _expand(cls, given: object) -> object:
        return {"type": given} if isinstance(given, str) else given

    @property
    def required(self) -> bool:
        """Whether a request must give a value."""
        return self.default is None and not self.nullable

    @property
    def array(self) -> bool:
        """Whether it is a list."""
        return self.type.endswith("[]")


def read_parameters(given: object) -> Mapping[str, Parameter]:
    """The ``parameters`` of a dataset.

    Raises:
        SpecError: They are none.
    """
    if not isinstance(given, Mapping):
        raise SpecError(None, 'must be a table such as { from = "date" }')
    found: dict[str, Parameter] = {}
    for name, parameter in given.items():
        with within(str(name)):
            found[str(name)] = read_record(Parameter, parameter)
            if found[str(name)].default is not None:
                _text(found[str(name)], found[str(name)].default)
    return found


def check_names(query: str, parameters: Mapping[str, Parameter]) -> None:
    """Whether a query and what is declared for it fit.

    Raises:
        SpecError: It has a placeholder that is not declared, or lacks one that is.
    """
    used = placeholders(query) if parameters else ()
    for name in used:
        if name not in parameters:
            raise SpecError("parameters", f"the query has :{name}, which is not declared")
    for name in parameters:
        if name not in used:
            raise SpecError(f"parameters.{name}", f"the query has no :{name}")


class Bound(NamedTuple):
    """A query with values for its parameters."""

    text: str
    """With placeholders of psycopg, each in a cast."""
    values: Mapping[str, str | None]
    casts: tuple[tuple[str, str], ...]
    """Name and type of each, so that a value that does not fit can be named."""
    proof: tuple[str, tuple[str, ...]]
    """The query with a number for each placeholder."""


def bind(query: str, parameters: Mapping[str, Parameter], given: Mapping[str, Any] | None) -> Bound:
    """Put values in.

    Args:
        query: SQL with ``:name``.
        parameters: What is declared.
        given: Of the request; ``None`` to leave all of them null, for a look at the columns.

    Raises:
        SpecError: A parameter is missing, is not declared, or has a value of another kind; the field names it.
    """
    for name in given or ():
        if name not in parameters:
            declared = ", ".join(parameters) or "none"
            raise SpecError(f"parameters.{name[:60]}", f"is no parameter of this dataset; it has {declared}")
    values: dict[str, str | None] = {}
    for name, parameter in parameters.items():
        with within(f"parameters.{name}"):
            values[name] = None if given is None else _given(parameter, given, name)
    written = {name: f"CAST(%({name})s AS {each.type})" for name, each in parameters.items()}
    casts = tuple((name, each.type) for name, each in parameters.items())
    proof = numbered(query, {name: each.type for name, each in parameters.items()})
    return Bound(with_values(query, written), values, casts, proof)


def bind_untyped(query: str, given: Mapping[str, Any]) -> Bound:
    """Put values in where nothing is declared: the server says of which type each placeholder is.

    Args:
        query: SQL with ``:name``.
        given: A value for each of them.

    Raises:
        SpecError: One is missing, or there is no such placeholder.
    """
    names = placeholders(query)
    for name in names:
        if name not in given:
            raise SpecError(f"parameters.{name}", "is missing")
    for name in given:
        if name not in names:
            has = f"it has {', '.join(f':{each}' for each in names)}" if names else "it has none"
            raise SpecError(f"parameters.{name[:60]}", f"the query has no :{name[:60]}; {has}")
    values: dict[str, str | None] = {}
    for name in names:
        with within(f"parameters.{name}"):
            values[name] = _listed(given[name]) if isinstance(given[name], list | tuple) else _plain(given[name])
    text = with_values(query, {name: f"%({name})s" for name in names})
    return Bound(text, values, (), numbered(query))


def _plain(value: Any) -> str | None:
    return None if value is None else _scalar(value)


def _given(parameter: Parameter, given: Mapping[str, Any], name: str) -> str | None:
    if name not in given:
        if parameter.required:
            raise SpecError(None, f"is missing; it is of type {parameter.type}")
        return _text(parameter, parameter.default)
    if given[name] is None and not parameter.nullable:
        raise SpecError(None, f"must not be null; it is of type {parameter.type}")
    return _text(parameter, given[name])


def _text(parameter: Parameter, value: Any) -> str | None:
    """A value as the server reads it (PostgreSQL manual, "Arrays", Array Value Input)."""
    if value is None:
        return None
    if isinstance(value, list | tuple):
        if not parameter.array:
            raise SpecError(None, f"must be one value of type {parameter.type}, not a list")
        return _listed(value)
    if parameter.array:
        raise SpecError(None, f"must be a list, since it is of type {parameter.type}")
    return _scalar(value)


def _listed(items: Sequence[Any]) -> str:
    return "{" + ",".join("NULL" if each is None else _element(_scalar(each)) for each in items) + "}"


def _element(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float | Decimal):
        number = value if isinstance(value, Decimal) else Decimal(repr(value))
        if not number.is_finite() or abs(number.adjusted()) > MAX_DIGITS or len(number.as_tuple().digits) > MAX_DIGITS:
            raise SpecError(None, f"must be a number with at most {MAX_DIGITS:,} digits")
        return format(number, "f")
    if not isinstance(value, str):
        raise SpecError(None, "must be a text, a number, true or false, or a list of these")
    if "\0" in value:
        raise SpecError(None, "must not hold the character U+0000, which no PostgreSQL text can hold")
    return value


def kind_of(value: object) -> str:
    """Of which kind a value is, for who must not know the value itself."""
    if value is None:
        return "null"
    if isinstance(value, list | tuple):
        kinds = sorted({kind_of(each) for each in value})
        return f"{len(value)} of {' or '.join(kinds)}" if kinds else "an empty list"
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float | Decimal) else "string"
