"""The keys of a file as a table, with what the audit log tells of their use."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from polyglot_export.access.keys import Key, Keys
from polyglot_export.errors import SpecError
from polyglot_export.text.tables import aligned

__all__ = ["last_uses", "listed"]

NONE = "–"
MAX_LINE = 64 << 10
"""Bytes of a line of the log; the service writes shorter ones."""


def listed(keys: Keys, at: datetime, used: dict[str, str] | None) -> str:
    """A line for each key.

    Args:
        keys: Of the file.
        at: Now.
        used: When each was used last; ``None`` where that was not looked for.
    """
    header = ["name", "hashes", "datasets", "scopes", "holds"]
    rows = [_row(name, key, at) for name, key in keys.items()]
    if used is not None:
        header.append("last used")
        rows = [[*row, used.get(row[0], NONE)] for row in rows]
    return aligned(header, rows, right=(1,))


def last_uses(paths: Iterable[Path]) -> dict[str, str]:
    """When each caller has sent a request last, by the lines of audit logs.

    Raises:
        SpecError: A log cannot be read, or is none.
    """
    found: dict[str, str] = {}
    for path in paths:
        try:
            with path.open("rb") as log:
                number = 0
                while line := log.readline(MAX_LINE):
                    number += 1
                    _note(line, found, f"{path}: line {number}")
        except OSError as error:
            raise SpecError(str(path), f"cannot be read: {error.strerror}") from None
    return found


def _note(line: bytes, found: dict[str, str], where: str) -> None:
    try:
        event = json.loads(line)
        caller, time = event.get("caller"), event["time"]
    except (ValueError, KeyError, AttributeError):
        raise SpecError(where, "is no line of an audit log") from None
    # Without an address it is something that runs by itself.
    if isinstance(caller, str) and event.get("address") is not None:
        found[caller] = max(found.get(caller, ""), str(time))


def _row(name: str, key: Key, at: datetime) -> list[str]:
    datasets = "all" if key.datasets is None else ", ".join(key.datasets) or "none"
    known = [each for each in key.every_hash if each.expires is None or at < each.expires]
    return [name, str(len(known)), datasets, ", ".join(each.value for each in key.scopes) or "none", _holds(key, at)]


def _holds(key: Key, at: datetime) -> str:
    ends = [each.expires for each in key.every_hash]
    # Of several hashes the last one that ends; with one that has no end, or a certificate, there is none.
    latest = None if None in ends or key.certificates else max(end for end in ends if end is not None)
    end = min((each for each in (key.expires, latest) if each is not None), default=None)
    if end is not None and at >= end:
        return f"ended {_time(end)}"
    begin = f"from {_time(key.not_before)}" if key.not_before is not None and at < key.not_before else ""
    until = f"until {_time(end)}" if end is not None else ""
    return " ".join(filter(None, [begin, until])) or "always"


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
