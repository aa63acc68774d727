"""A limit on how fast an export is read, so that it leaves the database's disks, CPU and network to others.

The limit is on the pull side: who does not pull stops the workers, and these stop the server.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event

from polyglot_export.errors import SpecError

__all__ = ["RateLimit", "check_rate"]

BURST_SECONDS = 0.25
"""A target that pauses for at most so long is made up for afterwards, so that short pauses do not lower the rate."""


class RateLimit:
    """A token bucket that is filled at a fixed rate. One thread takes, any may stop it."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Set up, with an empty bucket.

        Args:
            rate: Bytes a second.
            clock: Seconds that only go forward.
        """
        self._rate = rate
        self._clock = clock
        self._paid_until = clock()
        """When the bytes that were taken will have been earned."""
        self._stopped = Event()

    def take(self, size: int) -> None:
        """Account for bytes that were read, and wait until they are earned or :meth:`stop` is called.

        Args:
            size: Bytes.
        """
        delay = self.delay(size)
        if delay > 0:
            self._stopped.wait(delay)

    def delay(self, size: int) -> float:
        """Account for bytes; gives the seconds to wait for them."""
        now = self._clock()
        self._paid_until = max(self._paid_until, now - BURST_SECONDS) + size / self._rate
        return self._paid_until - now

    def stop(self) -> None:
        """End the waiting, now and from now on. Does not block."""
        self._stopped.set()


def check_rate(rate: float | None) -> None:
    """Refuse what is no rate.

    Raises:
        SpecError: It is not above zero.
    """
    if rate is not None and not rate > 0:
        raise SpecError("rate_limit", f"must be above 0 bytes a second (got {rate:g})")
