"""Handshakes take turns, and few are under way at a time.

Each costs about a millisecond of the event loop, and a flood of them must not stop what runs beside it. Until it is
done, a client may make OpenSSL hold the largest message that it announces, which nobody sees from outside.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

__all__ = ["PLACES", "Turns"]

PLACES = 40
"""Handshakes under way. A ClientHello may announce 131 kB, a client's certificates 100, for which OpenSSL takes the
memory at once: 5 MB together, a part of the headroom."""
PATIENCE_SECONDS = 0.5
"""Time after which a handshake gives its place to another one that waits: what is left to its client is one round
trip."""


class Handshake(Protocol):
    """One of them."""

    def step(self) -> None:
        """Go on with what has been received."""

    def abort(self) -> None:
        """End it."""


class Turns:
    """Does one step, then lets the loop do everything else that waits, then the next one."""

    def __init__(self, places: int = PLACES) -> None:
        """Set up.

        Args:
            places: Most handshakes under way.
        """
        self._places = places
        self._since: dict[Handshake, float] = {}
        """Those under way with the time of their beginning, the oldest first."""
        self._steps: deque[Handshake] = deque()
        self._waiting: dict[Handshake, None] = {}
        self._planned: asyncio.Handle | None = None

    def take(self, handshake: Handshake) -> None:
        """Let it take a step when it is its turn."""
        if handshake in self._since:
            self._steps.append(handshake)
        else:
            self._waiting[handshake] = None
        self._plan()

    def leave(self, handshake: Handshake) -> None:
        """It is done, or has failed."""
        if handshake in self._since or handshake in self._waiting:
            self._since.pop(handshake, None)
            self._waiting.pop(handshake, None)
            self._plan()

    def _plan(self, seconds: float = 0.0) -> None:
        loop = asyncio.get_running_loop()
        if self._planned is not None:
            self._planned.cancel()
        self._planned = loop.call_later(seconds, self._next) if seconds else loop.call_soon(self._next)

    def _next(self) -> None:
        self._planned = None
        if self._steps:
            turn: Handshake | None = self._steps.popleft()
        else:
            turn = self._admitted()
        try:
            if turn is not None:
                turn.step()
        finally:
            self._go_on()

    def _go_on(self) -> None:
        if self._planned is not None:
            return
        if self._steps or (self._waiting and self._free()):
            self._plan()
        elif self._waiting:
            self._plan(PATIENCE_SECONDS / 4)

    def _free(self) -> bool:
        return len(self._since) < self._places

    def _admitted(self) -> Handshake | None:
        """The next one that may begin. Who has come last is the first: whoever has waited for long has had the most
        time, and a flood must not keep out everybody who comes behind it.
        """
        if not self._waiting:
            return None
        now = asyncio.get_running_loop().time()
        if not self._free():
            oldest, since = next(iter(self._since.items()))
            if now - since < PATIENCE_SECONDS:
                return None
            self.leave(oldest)
            oldest.abort()
        handshake, _ = self._waiting.popitem()
        self._since[handshake] = now
        return handshake
