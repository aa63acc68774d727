"""The time by which jobs expire: that of the system, but for a clock that is wrong for a moment.

A clock that jumps by hours, forward or back, has either been wrong before or is wrong now. Which of the two is not
known at once, and what has expired cannot be taken back; so for a while time goes on as before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["GRACE_SECONDS", "SteadyClock", "now"]

JUMP_SECONDS = 60.0
"""A clock that is set by less is followed at once."""
GRACE_SECONDS = 900.0
"""Time after which a clock that has jumped is believed: orchestrators and NTP mend a wrong one within minutes."""


class SteadyClock:
    """Follows the clock of the system, and its jumps only when they last."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        """Set up.

        Args:
            wall: Seconds since 1970, by a clock that may be set.
            steady: Seconds by one that nobody sets.
        """
        self._wall = wall
        self._steady = steady
        self._offset = wall() - steady()
        self._jumped: tuple[float, float] | None = None
        """When the clock was first seen to have jumped, and to which offset."""

    def now(self) -> datetime:
        """The time in UTC."""
        at = self._steady()
        offset = self._wall() - at
        if abs(offset - self._offset) < JUMP_SECONDS:
            self._offset, self._jumped = offset, None
        elif self._jumped is None or abs(offset - self._jumped[1]) >= JUMP_SECONDS:
            self._jumped = (at, offset)
        elif at - self._jumped[0] >= GRACE_SECONDS:
            self._offset, self._jumped = offset, None
        return datetime.fromtimestamp(at + self._offset, UTC)


_clock = SteadyClock()


def now() -> datetime:
    """The time in UTC."""
    return _clock.now()
