"""What a reader made of a file, in one word and with the first value that is another one."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.readers.samples import Sample

__all__ = ["Outcome", "outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A cell of the table."""

    verdict: str
    """``reads``: every value is the server's; ``bytes``: a UUID as its sixteen bytes; ``other``: values differ;
    ``refuses``: an error."""
    detail: str = ""
    """The error, or the first difference."""


def outcome(sample: Sample, expected: Sequence[object], answer: dict[str, Any]) -> Outcome:
    """Compare what a reader printed with what the server prints."""
    if "error" in answer:
        return Outcome("refuses", re.sub(r"/\S*/", "", answer["error"])[:120])
    found = answer["values"]
    if len(found) != len(expected):
        return Outcome("other", f"{len(found)} values of {len(expected)}")
    as_bytes = False
    for value, wanted in zip(found, expected, strict=True):
        if _same(sample, value, wanted):
            continue
        if sample.meaning == "uuid" and _same(sample, value, _without_hyphens(wanted)):
            as_bytes = True
            continue
        return Outcome("other", f"{_short(wanted)} is {_short(value)}")
    return Outcome("bytes" if as_bytes else "reads")


def _same(sample: Sample, found: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(_same(sample, one, other) for one, other in zip(found, wanted, strict=True))
        )
    if found is None or wanted is None:
        return found is wanted
    if isinstance(found, list):
        return False
    return bool(_MEANINGS[sample.meaning](str(found)) == _MEANINGS[sample.meaning](wanted))


def _number(text: str) -> object:
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def _float(text: str) -> object:
    try:
        return repr(float(text)) if text.lower() not in ("nan", "-nan") else "nan"
    except ValueError:
        return text


def _real(text: str) -> object:
    """In four bytes: readers print them with the digits of eight."""
    number = float(text)
    return "nan" if number != number else struct.pack("<f", number)  # noqa: PLR0124 - NaN


def _moment(text: str) -> str:
    """A date, time or timestamp without what readers add: ``T``, a zone of zero, zeros behind the point."""
    plain = text.replace("T", " ")
    plain = re.sub(r"(Z|[+-]00:?(00)?)$", "", plain)
    plain = re.sub(r"(\.\d*?)0+$", r"\1", plain).rstrip(".")
    return re.sub(r"(:\d\d)\.$", r"\1", plain)


def _date(text: str) -> str:
    """Readers without a type for dates make midnight of one."""
    return _moment(text).removesuffix(" 00:00:00")


_MEANINGS = {
    "text": lambda text: text.lower() if text.lower() in ("true", "false") else text,
    "number": _number,
    "float": _float,
    "real": _real,
    "bytes": lambda text: text,
    "uuid": lambda text: text,
    "date": _date,
    "time": _moment,
    "timestamp": _moment,
}


def _without_hyphens(wanted: Any) -> Any:
    if isinstance(wanted, list):
        return [_without_hyphens(each) for each in wanted]
    return None if wanted is None else str(wanted).replace("-", "")


def _short(value: object) -> str:
    text = "NULL" if value is None else str(value)
    return text if len(text) <= 40 else text[:39] + "…"
