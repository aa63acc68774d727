"""Tidying the spool up: files that no job has any more, and what dead replicas have left."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from polyglot_export.errors import PolyglotError, SpecError
from polyglot_export.jobs.clock import GRACE_SECONDS
from polyglot_export.jobs.job import Job, JobStatus
from polyglot_export.jobs.stores.base import JobStore
from polyglot_export.service.logs import event
from polyglot_export.service.prepared.spool import Spool, Spooled

__all__ = ["SpoolKeeper"]

TIDY_SECONDS = 60.0
"""Longest time between two looks at the spool; shorter where jobs expire sooner."""
LEAST_TIDY_SECONDS = 0.5
UNKNOWN_SECONDS = 60.0
"""Age at which a dead replica's file goes that no job knows: its last word to a shared store may still be on its
way."""

_log = logging.getLogger(__name__)


class SpoolKeeper:
    """The task that opens the spool, keeps it tidy, and closes it."""

    def __init__(
        self, spool: Spool, store: JobStore, unsettled: Callable[[], set[str]], retention: float, *, shared: bool
    ) -> None:
        """Set up.

        Args:
            spool: What is kept tidy.
            store: Knows which files are wanted.
            unsettled: Names of files that have no job yet.
            retention: Seconds after which jobs expire.
            shared: Whether other replicas know of the files here.
        """
        self._spool = spool
        self._store = store
        self._unsettled = unsettled
        self._pause = min(TIDY_SECONDS, max(LEAST_TIDY_SECONDS, retention / 4))
        self._grace = min(GRACE_SECONDS, retention)
        self._expired: dict[str, float] = {}
        """Files of expired jobs, and since when that was seen, by a clock that nobody sets."""
        self._shared = shared
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to tidy up, and go on with it."""
        self._task = asyncio.create_task(self._tidy_for_ever())

    async def close(self) -> None:
        """Stop, and give the spool up."""
        if self._task is not None:
            self._task.cancel()
        await asyncio.to_thread(self._spool.close, keep=self._shared and self._spool.configured)

    async def _tidy_for_ever(self) -> None:
        await self._open()
        while True:
            try:
                await self._tidy()
            except PolyglotError as error:
                # Without the store nobody knows which files are wanted.
                event(_log, logging.WARNING, "spool not tidied", reason=str(error))
            await asyncio.sleep(self._pause)

    async def _open(self) -> None:
        try:
            await asyncio.to_thread(self._spool.open)
        except SpecError as error:
            # It is tried again for the first file; those who want none need no spool.
            event(_log, logging.WARNING, "no spool", reason=str(error))
        if self._shared and not self._spool.configured:
            event(
                _log,
                logging.WARNING,
                "POLYGLOT_SPOOL_DIR is not set: only the replica that has prepared a file can serve it",
            )

    async def _tidy(self) -> None:
        """Remove files that no job has any more, or that have expired, and what dead replicas were writing."""
        patience = UNKNOWN_SECONDS if self._shared else 0.0
        files = await asyncio.to_thread(self._spool.survey)
        self._expired = {file.name: self._expired[file.name] for file in files if file.name in self._expired}
        for file in files:
            if file.name in self._unsettled() or (not file.own and file.age < patience):
                continue
            job = await self._store.remembered(file.job_id)
            if not self._wanted(job, file) and file.name not in self._unsettled():
                await asyncio.to_thread(self._spool.remove, file.name)
                event(_log, logging.INFO, "prepared file removed", exportId=file.job_id, file=file.name)

    def _wanted(self, job: Job | None, file: Spooled) -> bool:
        """Whether a finished file is still some job's.

        One that has expired is for a while, since a clock that is wrong for a moment must not cost a file.
        """
        if job is None or job.file is None or job.file.name != file.name or job.status() is JobStatus.CANCELLED:
            return False
        if job.status() is not JobStatus.EXPIRED:
            self._expired.pop(file.name, None)
            return True
        at = time.monotonic()
        return at - self._expired.setdefault(file.name, at) < self._grace
