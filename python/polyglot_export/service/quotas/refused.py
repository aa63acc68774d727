"""The refusal of a caller that has reached a limit of its own, and how often each has been reached."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import fields

from polyglot_export.access.limits import Limits
from polyglot_export.fields import camel
from polyglot_export.service.errors import TooManyRequests

__all__ = ["SOON", "Refusals"]

SOON = 5.0
"""Seconds until another try, where nobody can know when there is room again: long enough for a short export to end."""


class Refusals:
    """Makes them, and counts them by the name of the limit."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter({each.name: 0 for each in fields(Limits)})

    def of(self, limit: str, sentence: str, seconds: float = SOON) -> TooManyRequests:
        """The error for a limit that is reached.

        Args:
            limit: Its name in Python.
            sentence: What it allows, and what is used.
            seconds: Until another try may succeed.
        """
        self.count[limit] += 1
        wait = str(max(1, math.ceil(seconds)))
        return TooManyRequests(f"{sentence} (limits.{camel(limit)} of this caller)", headers={"Retry-After": wait})
