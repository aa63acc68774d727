"""Asks the stores of destinations, in threads of their own: one that says nothing keeps nobody else waiting.

The threads of the event loop's own pool do everything else that a service may wait for; a handful of requests to a
store that is gone would hold them all for as long as its patience lasts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from polyglot_export.errors import Busy, TargetFailed
from polyglot_export.jobs.job import Job
from polyglot_export.service.background.thread import unwaited
from polyglot_export.service.config.destinations import DestinationEntry
from polyglot_export.service.logs import event

__all__ = ["StoreThreads", "refused"]

AT_ONCE = 8
"""Requests to the store of a destination at a time."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


class StoreThreads:
    """The threads, some for each destination, so that one which says nothing keeps nobody from another one.

    Args:
        seconds: How long a request may wait for one, and for its answer.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._rooms: dict[str, asyncio.Semaphore] = {}
        """By the URL of the destination."""

    async def ask(self, job: Job, entry: DestinationEntry, work: Callable[[], T]) -> T:
        """Ask the store of a destination.

        Args:
            job: Whose files it is about.
            entry: The destination.
            work: Asks.

        Raises:
            Busy: The store does not answer in time.
            TargetFailed: It refuses; the sentence does not say where it is.
        """
        room = self._rooms.setdefault(entry.url, asyncio.Semaphore(AT_ONCE))
        try:
            async with asyncio.timeout(self._seconds):
                await room.acquire()
                try:
                    asked = unwaited(work, "polyglot-store")
                except BaseException:
                    room.release()
                    raise
                # Its thread is in use until the store has answered, whoever still waits for that.
                asked.add_done_callback(lambda _: room.release())
                asked.add_done_callback(_looked_at)
                return await asyncio.shield(asked)
        except TimeoutError:
            raise Busy(
                f"the store of destination {job.spec.destination!r} did not answer within {self._seconds:g} seconds;"
                " try again later"
            ) from None
        except TargetFailed as error:
            raise refused(job, entry, error) from None


def _looked_at(asked: asyncio.Future[T]) -> None:
    """Nobody may wait for its error any more, of which asyncio would complain."""
    if not asked.cancelled():
        asked.exception()


def refused(job: Job, entry: DestinationEntry, error: TargetFailed) -> TargetFailed:
    """What a client may read of an error of a store; where that is, only the log has."""
    event(_log, logging.WARNING, "destination failed", exportId=job.id, name=job.spec.destination, reason=str(error))
    return entry.hidden(job.spec.destination or "", error)
