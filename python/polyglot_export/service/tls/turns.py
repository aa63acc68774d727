"""Handshakes take turns: each costs about a millisecond, and a flood of them must not stop what runs beside it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

__all__ = ["Turns"]


class Turns:
    """Does one step of a handshake, then lets the loop do everything else that waits, then the next step."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._going = False

    def take(self, step: Callable[[], None]) -> None:
        """Do a step when it is its turn."""
        self._waiting.append(step)
        if not self._going:
            self._going = True
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        step = self._waiting.popleft()
        self._going = bool(self._waiting)
        if self._going:
            asyncio.get_running_loop().call_soon(self._next)
        step()
