"""Values of a table in one form, whatever they were written in, so that a file can be compared with its server."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

__all__ = ["Kind", "Naive", "classes_of", "kind_of"]

Kind = Callable[[Any], Any]
"""Makes what a file has for a value comparable.

Raises ValueError where that is no value of the type.
"""
_WHOLE: Final = re.compile(r"[+-]?\d+")
_ZONE: Final = re.compile(r" ([+-]\d\d(?::?\d\d)?)$")


@dataclass(frozen=True)
class Naive:
    """A moment without its zone, where the type has one."""

    moment: datetime


def _integer(value: Any) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not _WHOLE.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _numeric(value: Any) -> Decimal | str:
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError(str(value)) from error
    # Decimal has no NaN that equals itself.
    return number if number.is_finite() else str(number)


def _float(value: Any) -> float | str:
    number = float(value)
    return "NaN" if math.isnan(number) else number


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    known = {"t": True, "true": True, "f": False, "false": False}
    if str(value).lower() not in known:
        raise ValueError(str(value))
    return known[str(value).lower()]


def _parsed(value: Any) -> datetime:
    """The server reads a blank before the zone; Python does not."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(_ZONE.sub(r"\1", str(value)))


def _moment(value: Any) -> datetime | Naive:
    moment = _parsed(value)
    return moment.astimezone(UTC) if moment.tzinfo is not None else Naive(moment)


def _local_moment(value: Any) -> datetime:
    moment = _parsed(value)
    if moment.tzinfo is not None:
        raise ValueError(f"{value} has a zone")
    return moment


def _date(value: Any) -> date:
    if isinstance(value, datetime):
        raise ValueError(f"{value} has a time")  # noqa: TRY004 - no value of the type, whatever its class
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def _document(value: Any) -> Any:
    return _exact(json.loads(value, parse_float=Decimal) if isinstance(value, str) else value)


def _exact(value: Any) -> Any:
    """Numbers of one class, so that 1 and 1.0 are equal and no double comes near a decimal."""
    if isinstance(value, dict):
        return {name: _exact(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_exact(member) for member in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(str(value))
    return value


_KINDS: Final[dict[str, Kind]] = {
    "int2": _integer,
    "int4": _integer,
    "int8": _integer,
    "numeric": _numeric,
    "float4": _float,
    "float8": _float,
    "bool": _boolean,
    "timestamptz": _moment,
    "timestamp": _local_moment,
    "date": _date,
    "json": _document,
    "jsonb": _document,
}
_CLASSES: Final[dict[str, dict[str, tuple[type, ...]]]] = {
    "json": {
        "int2": (int,), "int4": (int,), "int8": (int,), "numeric": (int, Decimal), "float4": (int, Decimal),
        "float8": (int, Decimal), "bool": (bool,), "json": (dict, list), "jsonb": (dict, list),
    },
    "parquet": {
        "int2": (int,), "int4": (int,), "int8": (int,), "numeric": (Decimal,), "float4": (float,), "float8": (float,),
        "bool": (bool,), "timestamptz": (datetime,), "timestamp": (datetime,), "date": (date,),
    },
}  # fmt: skip


def kind_of(type_: str) -> Kind:
    """How values of a type are compared; as text where nothing else is known."""
    return _KINDS.get(type_, str)


def classes_of(format_: str) -> dict[str, tuple[type, ...]]:
    """By type, the classes in which a value arrives that kept its type, for formats that have some."""
    return _CLASSES.get("json" if format_ == "ndjson" else format_, {})
