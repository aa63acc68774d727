"""Whose turn it is to have a file prepared: a few at a time, and every caller gets one before another gets the next."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

__all__ = ["Turns"]


class Turns:
    """Lets so many in at a time. Where there are several callers, the last place is only for one that has none."""

    def __init__(self, at_once: int, callers: Callable[[], int]) -> None:
        """Set up.

        Args:
            at_once: How many have a turn at a time.
            callers: How many callers there may be.
        """
        self._at_once = at_once
        self._callers = callers
        self._running: Counter[str | None] = Counter()
        self._waiting: list[_Waiter] = []

    @asynccontextmanager
    async def of(self, caller: str | None) -> AsyncIterator[None]:
        """Wait for a turn of this caller, and have it until the end of the block."""
        waiter = _Waiter(caller)
        self._waiting.append(waiter)
        self._grant()
        try:
            await waiter.ready.wait()
        except BaseException:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            else:
                self._end(caller)
            raise
        try:
            yield
        finally:
            self._end(caller)

    def _end(self, caller: str | None) -> None:
        self._running[caller] -= 1
        if not self._running[caller]:
            del self._running[caller]
        self._grant()

    def _grant(self) -> None:
        several = self._callers() > 1 and self._at_once > 1
        while self._running.total() < self._at_once:
            last = several and self._running.total() == self._at_once - 1
            # min() takes the first of those that have as few.
            may = [waiter for waiter in self._waiting if not (last and self._running[waiter.caller])]
            if not may:
                return
            chosen = min(may, key=lambda waiter: self._running[waiter.caller])
            self._waiting.remove(chosen)
            self._running[chosen.caller] += 1
            chosen.ready.set()


@dataclass(eq=False, slots=True)
class _Waiter:
    caller: str | None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
