"""A client that reads too slowly is cut off: it holds a snapshot of the database, and memory here."""

from __future__ import annotations

import asyncio
import time
from typing import Never

from polyglot_export.errors import Cancelled, SpecError
from polyglot_export.execution.pace import STALL_TICK, ClientPace
from polyglot_export.fields import is_number

__all__ = ["IDLE_SECONDS", "Watch"]

IDLE_SECONDS = 60.0
"""Time in which a client must have taken something."""


class Watch:
    """Watches one client by what the server has taken from us for it: a server holds little and then waits for the
    client.
    """

    def __init__(self, min_rate: float, idle_timeout: float) -> None:
        """Set up.

        Raises:
            SpecError: No such pace.
        """
        if not is_number(idle_timeout) or idle_timeout <= 0:
            raise SpecError("idle_timeout", f"must be a number of seconds above 0 (got {idle_timeout!r})")
        if not is_number(min_rate) or min_rate < 0:
            raise SpecError("min_rate", f"must be a number of bytes a second, 0 or more (got {min_rate!r})")
        self.seconds = idle_timeout
        self._rate = min_rate
        self._pace = ClientPace(idle_timeout, min_rate)
        self._taken = 0
        self._waiting = False
        self._size = 0

    def begin(self, size: int) -> None:
        """So many bytes wait for the client now."""
        self._waiting = True
        self._size = size

    def end(self) -> None:
        """The client has them.

        Raises:
            Cancelled: It was too slow.
        """
        if self._waiting:
            self.check()
            self._waiting = False
            self._taken += self._size

    def check(self) -> None:
        """Look at the client.

        Raises:
            Cancelled: It was too slow.
        """
        if self._pace.too_slow(time.monotonic(), self._taken if self._waiting else None):
            amount = f"less than {self._rate:g} bytes a second" if self._rate else "nothing"
            raise Cancelled(f"the client took {amount} for {self.seconds:g} seconds and was cut off")

    async def forever(self) -> Never:
        """Look again and again."""
        while True:
            await asyncio.sleep(min(STALL_TICK, self.seconds / 4))
            self.check()
