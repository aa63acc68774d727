"""A limit on how fast an export is read, so that it leaves the database's disks, CPU and network to others.

The limit works by pulling more slowly: then the workers wait for room, and the server waits for the workers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Lock

from polyglot_export.errors import SpecError
from polyglot_export.fields import is_number

__all__ = ["RateLimit", "check_rate"]

BURST_SECONDS = 0.25
"""A target that pauses for at most so long is made up for afterwards, so that short pauses do not lower the rate."""


class RateLimit:
    """A token bucket that is filled at a fixed rate. Several threads may take from it, and any thread may stop it."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Set up, with an empty bucket.

        Args:
            rate: Bytes a second.
            clock: A clock in seconds that never goes back.
        """
        self._rate = rate
        self._clock = clock
        self._paid_until = clock()
        """The time at which the rate has caught up with the bytes that were taken."""
        self._stopped = Event()
        self._lock = Lock()

    def take(self, size: int, stopped: Event | None = None) -> None:
        """Account for bytes that were read, and wait until they are earned or :meth:`stop` is called.

        Args:
            size: Bytes.
            stopped: Ends the wait of this thread in its place.
        """
        delay = self.delay(size)
        if delay > 0:
            (stopped or self._stopped).wait(delay)

    def delay(self, size: int) -> float:
        """Account for bytes; gives the seconds to wait for them."""
        with self._lock:
            now = self._clock()
            self._paid_until = max(self._paid_until, now - BURST_SECONDS) + size / self._rate
            return self._paid_until - now

    def stop(self) -> None:
        """End the wait, and make every later one end at once. Does not block."""
        self._stopped.set()


def check_rate(rate: float | None) -> None:
    """Refuse a rate that makes no sense.

    Raises:
        SpecError: The rate is not above zero.
    """
    if rate is not None and not (is_number(rate) and rate > 0):
        raise SpecError("rate_limit", f"must be above 0 bytes a second (got {rate!r})")
