"""The bytes that go to callers with a limit of bytes a day."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from datetime import datetime, time, timedelta

from polyglot_export.jobs.job import now
from polyglot_export.jobs.stores.base import StoreAway
from polyglot_export.jobs.stores.ledger import Ledger
from polyglot_export.service.logs import event

__all__ = ["Meter", "Traffic", "seconds_of_the_day_left"]

_log = logging.getLogger(__name__)

TELL_SECONDS = 1.0
"""Between two times that the ledger is told: as late as that other replicas hear of what was sent here."""


def seconds_of_the_day_left(at: datetime) -> float:
    """Seconds until the next day of UTC begins."""
    return (datetime.combine(at.date() + timedelta(days=1), time(tzinfo=at.tzinfo)) - at).total_seconds()


class Traffic:
    """Counts here what is sent here, and tells the ledger once a second and before each question; all methods belong to
    the event loop's thread.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._untold: Counter[tuple[str, str]] = Counter()
        """Bytes by caller and day."""
        self._telling: asyncio.Task[None] | None = None

    def add(self, owner: str, size: int) -> None:
        """Note bytes that are being sent."""
        if not size:
            return
        self._untold[owner, now().date().isoformat()] += size
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._keep_telling())

    async def spent(self, owner: str) -> int:
        """The bytes of this day.

        Raises:
            StoreAway: Nobody knows.
        """
        day = now().date().isoformat()
        return await self._tell(owner, day)

    async def close(self) -> None:
        """Tell the ledger what it does not know yet."""
        if self._telling is not None:
            self._telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._telling
        await self._tell_all()

    async def _keep_telling(self) -> None:
        while self._untold:
            await asyncio.sleep(TELL_SECONDS)
            await self._tell_all()

    async def _tell_all(self) -> None:
        for owner, day in list(self._untold):
            try:
                await self._tell(owner, day)
            except StoreAway as error:
                event(_log, logging.WARNING, "bytes of callers not told", reason=str(error))
                return

    async def _tell(self, owner: str, day: str) -> int:
        size = self._untold.pop((owner, day), 0)
        try:
            return await self._ledger.spend(owner, day, size)
        except BaseException:
            # Rather twice than never: what was added may have been an answer that was lost.
            if size:
                self._untold[owner, day] += size
            raise


class Meter:
    """Counts what is sent in the answer to one request."""

    def __init__(self, traffic: Traffic, owner: str) -> None:
        self._traffic = traffic
        self._owner = owner

    def add(self, size: int) -> None:
        """Note bytes of a body."""
        self._traffic.add(self._owner, size)
