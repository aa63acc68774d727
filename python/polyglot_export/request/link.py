"""What is asked for when a link to an export is made."""

from __future__ import annotations

from dataclasses import dataclass, field

from polyglot_export.fields import Record

__all__ = ["LinkRequest"]

MOST_SECONDS = 31 * 24 * 3600
"""That a link may be asked to hold."""


@dataclass(frozen=True, slots=True)
class LinkRequest(Record):
    """What is asked for."""

    expires_in: int = field(default=600, metadata={"ge": 1, "le": MOST_SECONDS})
    """Seconds; never longer than the export is kept."""
    once: bool = False
    """Whether the first download is the last one."""
    file: int | None = field(default=None, metadata={"ge": 0, "le": 1_000_000})
    """With `"delivery": "store"`: which of its files."""
