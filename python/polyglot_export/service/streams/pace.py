"""A client of the service that is too slow is cut off.

A client that takes nothing holds memory here and, while its export is streamed, a snapshot of the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Never

from polyglot_export.execution.pace import STALL_TICK, ClientPace
from polyglot_export.service.errors import SlowClient

__all__ = ["STALL_TICK", "LeastPace"]


@dataclass(frozen=True, slots=True)
class LeastPace:
    """The pace that every client must keep."""

    window: float
    """Seconds over which the rate is measured."""
    rate: int
    """Bytes a second that the client must take on average; with 0 any byte will do."""

    async def watch(self, taken: Callable[[], int | None]) -> Never:
        """Look at one client again and again.

        Args:
            taken: Bytes that it has acknowledged since its response began, or ``None`` while nothing waits for it.

        Raises:
            SlowClient: It has taken too little.
        """
        loop = asyncio.get_running_loop()
        pace = ClientPace(self.window, self.rate)
        while True:
            await asyncio.sleep(min(STALL_TICK, self.window / 4))
            if pace.too_slow(loop.time(), taken()):
                amount = f"less than {self.rate} bytes a second" if self.rate else "no byte"
                raise SlowClient(f"the client took {amount} for {self.window:g} seconds and was cut off")
