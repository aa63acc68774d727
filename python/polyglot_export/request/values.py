"""The values that a request gives: those of filters and of parameters, exact."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import TypeAlias

from polyglot_export.errors import SpecError
from polyglot_export.fields import within

__all__ = ["ParameterValue", "Scalar", "read_filter_value", "read_parameters"]

MAX_PARAMETERS = 100
"""Of a configured query."""

Scalar = bool | Decimal | str
"""Numbers are decimals: a double would round them. Dates, times and UUIDs of Python become the text of theirs."""


ParameterValue: TypeAlias = Scalar | tuple[Scalar | None, ...] | None
"""A value of a parameter: its type is the configuration's to say."""


def _scalar(value: object) -> Scalar:
    """One value of a filter, exact."""
    match value:
        case bool():
            return value
        case int():
            return Decimal(value)
        case float() | Decimal():
            number = value if isinstance(value, Decimal) else Decimal(repr(value))
            if not number.is_finite():
                raise SpecError(None, "a number must be finite; give NaN and Infinity as strings")
            return number
        case datetime() | date() | time():
            return value.isoformat()
        case _ if _is_uuid(value):
            return str(value)
        case str():
            if "\0" in value:
                raise SpecError(None, "must not hold the character U+0000, which no PostgreSQL text can hold")
            if not value.isprintable() and any("\ud800" <= character <= "\udfff" for character in value):
                raise SpecError(None, "must be text; half of a surrogate pair is none")
            return value
        case None:
            raise SpecError(None, "must not be null; use isNull or isNotNull")
        case _:
            raise SpecError(None, "must be a string, a number or a boolean, or a list of these for in and between")


def _is_uuid(value: object) -> bool:
    # Who has a UUID has imported the module already; a command that has none starts without it.
    module = sys.modules.get("uuid")
    return module is not None and isinstance(value, module.UUID)


def read_filter_value(value: object) -> Scalar | tuple[Scalar, ...] | None:
    """The value of a filter, or its values.

    Raises:
        SpecError: It is of no type that a filter compares with.
    """
    if value is None:
        return None
    return tuple(_scalar(item) for item in value) if isinstance(value, list | tuple) else _scalar(value)


def read_parameters(value: object) -> Mapping[str, ParameterValue] | None:
    """Values by name; the configuration of the dataset says of which types.

    Raises:
        SpecError: They are no object, or one of them is of no type that a parameter has.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise SpecError(None, 'must be an object such as {"from": "2026-01-01"}')
    if len(value) > MAX_PARAMETERS:
        raise SpecError(None, f"must have at most {MAX_PARAMETERS} members (got {len(value)})")
    found: dict[str, ParameterValue] = {}
    for name, each in value.items():
        if not isinstance(name, str):
            raise SpecError(None, "must have names that are text")
        with within(name[:60]):
            if isinstance(each, list | tuple):
                found[name] = tuple(None if item is None else _scalar(item) for item in each)
            else:
                found[name] = None if each is None else _scalar(each)
    return found
