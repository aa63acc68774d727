"""Ends an export that nobody pulls any more, so that it does not hold its connections and snapshot.

A program that streams to a client may lose the client without a word, and keep the iterator: in a task that waits, or
in objects that refer to each other, which only the garbage collector frees, some time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from weakref import WeakMethod

__all__ = ["IdleWatch"]


class IdleWatch:
    """Measures how long nobody has pulled, in a thread of its own that keeps nothing of the export alive."""

    def __init__(self, seconds: float, end: Callable[[], None]) -> None:
        """Start to measure.

        Args:
            seconds: The longest time between the end of one pull and the beginning of the next.
            end: A method that ends the export, called at most once, in the thread of the watch. It is held weakly.
        """
        self.seconds = seconds
        self._end = WeakMethod(end)
        self._changed = threading.Condition()
        self._pulling = False
        self._expired = False
        self._stopped = False
        self._since = time.monotonic()
        threading.Thread(target=self._run, name="polyglot-idle", daemon=True).start()

    def begin(self) -> bool:
        """A pull begins. False where it comes too late, since the export is being ended."""
        with self._changed:
            self._pulling = not self._expired
            return self._pulling

    def finish(self) -> None:
        """The pull is over."""
        with self._changed:
            self._pulling = False
            self._since = time.monotonic()

    def stop(self) -> None:
        """Measure no more. May be called again, and by the thread of the watch."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while not self._stopped and not self._expired:
                # A pull that runs now will end later than now, so there is no hurry.
                left = self.seconds if self._pulling else self._since + self.seconds - time.monotonic()
                if left > 0:
                    self._changed.wait(left)
                else:
                    self._expired = True
        end = self._end() if self._expired else None
        if end is not None:
            end()
