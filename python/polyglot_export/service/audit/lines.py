"""Events as lines: JSON with the names that people see, never longer than a limit, and never two lines in one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

from polyglot_export.errors import cut
from polyglot_export.fields import camel
from polyglot_export.service.audit.events import AuditEvent

__all__ = ["LINE_BYTES", "line_of"]

LINE_BYTES = 16 << 10
"""Of a line; one that would be longer has its lists cut, and says so."""
KEPT_ITEMS = (20, 5, 1)
"""Of each list of a line that is cut: the most of these with which it is short enough. Lists are in lists."""
KEPT_MEMBERS = 20
KEPT_TEXT = 100
"""Bytes of a text; in ASCII they become three times as many at most."""


def line_of(event: AuditEvent, at: datetime, replica: str | None) -> bytes:
    """One line of the log, with its end.

    Args:
        event: What happened.
        at: When.
        replica: Which of several processes it was; ``None`` where there is one.
    """
    members = {"time": _time(at), "event": event.name, "replica": replica, **_plain(event)}
    kept = {name: value for name, value in members.items() if value is not None}
    line = _json(kept)
    for items in KEPT_ITEMS:
        if len(line) <= LINE_BYTES:
            break
        line = _json({**_shortened(kept, items), "cut": True})
    return line


def _json(members: Mapping[str, Any]) -> bytes:
    # ASCII alone: no line break, direction mark or half a surrogate of a name can make a line look like another one.
    return json.dumps(members, separators=(",", ":"), default=str).encode("ascii") + b"\n"


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {camel(each.name): _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    return _time(value) if isinstance(value, datetime) else value


def _shortened(value: Any, items: int) -> Any:
    """The same with short texts, and with so many items of each list."""
    if isinstance(value, str):
        return cut(value, KEPT_TEXT)
    if isinstance(value, list):
        return [_shortened(each, items) for each in value[:items]]
    if isinstance(value, dict):
        # The members of a record, or some names with their numbers.
        return {cut(name, KEPT_TEXT): _shortened(each, items) for name, each in list(value.items())[:KEPT_MEMBERS]}
    return value
