"""How many refusals have a line of their own: whoever has no key must not fill the disk of the log."""

from __future__ import annotations

import time
from typing import Final

__all__ = ["REFUSALS", "Flood"]

REFUSALS: Final = 100
"""In a second, in the long run and at once: 3 GB a day at most. Whoever tries keys is seen in far fewer."""


class Flood:
    """Lets in so many a second, and counts the others."""

    def __init__(self) -> None:
        self._omitted = 0
        self._room = float(REFUSALS)
        self._at = time.monotonic()

    def lets_in(self, *, has_room: bool) -> bool:
        """Whether the next one has a line; counts it where it has none.

        Args:
            has_room: Whether one more line may wait.
        """
        at = time.monotonic()
        self._room = min(self._room + (at - self._at) * REFUSALS, float(REFUSALS))
        self._at = at
        if self._room < 1 or not has_room:
            self._omitted += 1
            return False
        self._room -= 1
        return True

    def taken(self) -> int:
        """How many had none since this was asked."""
        omitted, self._omitted = self._omitted, 0
        return omitted
