"""Which part of a file a request is answered with: conditions (RFC 9110, section 13) and byte ranges (section 14).

Only for files that never change under their address, so that both of their validators are strong ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from starlette.datastructures import Headers

from polyglot_export.service.errors import PreconditionFailed, RangeNotSatisfiable

__all__ = ["Entity", "Part", "Selection", "lists_tag", "select"]

MAX_RANGES = 100
"""Ranges of one request; a header with more is ignored, as RFC 9110, section 14.2, allows."""
GAP = 128
"""Bytes between two ranges that are sent rather than left out: the head of another part is about as long."""
_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_RANGE = re.compile(r"([0-9]{0,100})-([0-9]{0,100})")


@dataclass(frozen=True, slots=True)
class Entity:
    """What the conditions of a request are about."""

    tag: str
    """A strong entity-tag, with its quotes."""
    modified: datetime
    """In whole seconds, in UTC."""
    size: int
    """Bytes."""

    @property
    def last_modified(self) -> str:
        """The value of ``Last-Modified`` (RFC 9110, section 5.6.7)."""
        return format_datetime(self.modified, usegmt=True)


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a file."""

    start: int
    end: int
    """The first byte that does not belong to it."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What to answer."""

    status: int
    """200, 206 or 304."""
    parts: tuple[Part, ...]


def select(method: str, headers: Headers, entity: Entity) -> Selection:
    """Read the conditions and ranges of a request, in the order of RFC 9110, section 13.2.2.

    Args:
        method: GET or HEAD.
        headers: Of the request.
        entity: The file.

    Raises:
        PreconditionFailed: If-Match or If-Unmodified-Since does not hold.
        RangeNotSatisfiable: No range has a byte of the file.
    """
    _check_preconditions(headers, entity)
    if _not_modified(headers, entity):
        return Selection(304, ())
    whole = Selection(200, (Part(0, entity.size),))
    # Range is defined for GET only (section 14.2).
    if method != "GET" or not _range_applies(headers, entity):
        return whole
    wanted = _parse(headers.getlist("range"), entity.size)
    if wanted is None or entity.size == 0:
        return whole
    if not wanted:
        raise RangeNotSatisfiable(
            f"no range of the request has a byte of the file, which has {entity.size}",
            headers={"Content-Range": f"bytes */{entity.size}"},
        )
    return Selection(206, tuple(_coalesce(wanted)))


def _check_preconditions(headers: Headers, entity: Entity) -> None:
    if "if-match" in headers:
        # The strong comparison: weak tags never match.
        if not lists_tag(headers.getlist("if-match"), entity.tag, weak=False):
            raise PreconditionFailed(
                f"the file's ETag is {entity.tag}, which is not among those of If-Match", field="If-Match"
            )
        return
    since = _date(headers.get("if-unmodified-since"))
    if since is not None and entity.modified > since:
        raise PreconditionFailed(
            f"the file was made on {entity.last_modified}, after If-Unmodified-Since", field="If-Unmodified-Since"
        )


def _not_modified(headers: Headers, entity: Entity) -> bool:
    if "if-none-match" in headers:
        return lists_tag(headers.getlist("if-none-match"), entity.tag, weak=True)
    since = _date(headers.get("if-modified-since"))
    return since is not None and entity.modified <= since


def _range_applies(headers: Headers, entity: Entity) -> bool:
    """Whether there is a Range that is to be obeyed: its If-Range must name this file (section 13.1.5)."""
    if "range" not in headers:
        return False
    condition = headers.get("if-range")
    return condition is None or condition.strip() == entity.tag or _date(condition) == entity.modified


def lists_tag(values: Sequence[str], tag: str, *, weak: bool) -> bool:
    """Whether a list of entity-tags, or ``*``, has this one (RFC 9110, section 13.1).

    Args:
        values: Of the header, as often as it was sent.
        tag: With its quotes.
        weak: Whether a weak tag counts as well.
    """
    joined = ",".join(values)
    if joined.strip() == "*":
        return True
    return any(match[2] == tag and (weak or match[1] is None) for match in _TAG.finditer(joined))


def _date(value: str | None) -> datetime | None:
    """A date of HTTP; ``None`` for none and for what is not one, which is ignored (section 13.1.3)."""
    if value is None:
        return None
    try:
        parsed = parsedate_to_datetime(value)
        return parsed.astimezone(UTC) if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError):
        # The last one: a moment before the year 1 or after the year 9999.
        return None


def _parse(values: Sequence[str], size: int) -> list[Part] | None:
    """The satisfiable ranges of a header; ``None`` for a header that is to be ignored (section 14.2)."""
    unit, _, ranges = values[0].partition("=")
    specs = [spec.strip() for spec in ranges.split(",") if spec.strip()]
    if len(values) > 1 or unit.strip().lower() != "bytes" or not 0 < len(specs) <= MAX_RANGES:
        return None
    parts = []
    for spec in specs:
        match = _RANGE.fullmatch(spec)
        if match is None or spec == "-" or (match[1] and match[2] and int(match[2]) < int(match[1])):
            return None
        if match[1]:
            part = Part(int(match[1]), min(int(match[2]) + 1, size) if match[2] else size)
        else:
            part = Part(max(0, size - int(match[2])), size)
        if part.start < part.end:
            parts.append(part)
    return parts


def _coalesce(parts: Sequence[Part]) -> list[Part]:
    """Join parts that overlap or nearly touch; the others keep the order that was asked for (section 15.3.7.2)."""
    joined: list[Part] = []
    for part in parts:
        near = [known for known in joined if known.start <= part.end + GAP and part.start <= known.end + GAP]
        if not near:
            joined.append(part)
            continue
        place = joined.index(near[0])
        joined[place] = Part(
            min(part.start, *(known.start for known in near)), max(part.end, *(known.end for known in near))
        )
        for known in near[1:]:
            joined.remove(known)
    return joined
