"""What became of the runs, and how that gets into the store: also when the store is away at that moment, or when
another replica was faster.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from polyglot_export.errors import PolyglotError
from polyglot_export.jobs.job import Job, Made, Run
from polyglot_export.jobs.stores.base import JobStore, StoreAway
from polyglot_export.service.errors import ReplicaLost
from polyglot_export.service.logs import event

__all__ = ["Outcome", "Outcomes"]

MAX_WAITING = 1_000
"""Ends that wait for the store, of about a kilobyte each; beyond it the oldest are dropped, and their leases lapse."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run."""

    job_id: str
    run: Run
    made: Made | None = None

    def into(self, job: Job, *, late: bool) -> Job:
        """The job with its run ended.

        Args:
            job: As it is stored.
            late: Whether the client has seen the end already. Then the end is the truth, and it corrects the verdict of
                another replica that had not heard from this one. What runs in the background has no such client, and
                another replica is making it already.

        Raises:
            ReplicaLost: Another replica has declared the run failed.
        """
        known = job.run(self.run.number)
        if known is not None and known.started_at != self.run.started_at:
            # The store has lost its last moments, and with them this run; its number was given to another one.
            return job
        if known is not None and known.lost:
            if not late or job.spec.in_background:
                raise ReplicaLost(
                    "the service lost contact with this replica, and another one has declared the export failed"
                )
        elif known is not None and known.ended:
            # Written before, and the answer was lost.
            return job
        changed = job.with_run(self.run)
        return changed if self.made is None else changed.with_made(self.made)


class Outcomes:
    """The ends of this process's runs.

    Memory:
        :data:`MAX_WAITING` ends.
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._waiting: dict[tuple[str, int], Outcome] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.on_stored: Callable[[Job], None] = lambda _: None
        """Told of every job that an end was stored in."""

    async def record(self, outcome: Outcome) -> None:
        """Store an end now, or later if the store is away. Goes on when its caller is cancelled.

        Raises:
            ReplicaLost: Another replica has declared the run failed; it must not look successful to anyone.
        """
        task = asyncio.create_task(self._record(outcome))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.shield(task)

    async def flush(self) -> None:
        """Store what waits.

        Raises:
            StoreAway: It still is.
        """
        for place, outcome in list(self._waiting.items()):
            try:
                await self._put(outcome, late=True)
            except StoreAway:
                raise
            except PolyglotError as error:
                event(
                    _log,
                    logging.WARNING,
                    "end of a run not stored",
                    exportId=outcome.job_id,
                    run=outcome.run.number,
                    reason=str(error),
                )
            else:
                event(_log, logging.INFO, "end of a run stored late", exportId=outcome.job_id, run=outcome.run.number)
            self._waiting.pop(place, None)

    async def settle(self, seconds: float) -> None:
        """Before the process ends: wait for what is being stored, and try once more to store what waits."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        try:
            await self.flush()
        except StoreAway as error:
            event(_log, logging.WARNING, "ends of runs not stored", runs=len(self._waiting), reason=str(error))

    async def _record(self, outcome: Outcome) -> None:
        try:
            await self._put(outcome, late=False)
        except StoreAway as error:
            self._keep(outcome)
            event(
                _log,
                logging.WARNING,
                "end of a run waits for the store",
                exportId=outcome.job_id,
                run=outcome.run.number,
                reason=str(error),
            )

    async def _put(self, outcome: Outcome, *, late: bool) -> None:
        job = await self._store.update(outcome.job_id, lambda job: outcome.into(job, late=late))
        if job is not None:
            self.on_stored(job)

    def _keep(self, outcome: Outcome) -> None:
        while len(self._waiting) >= MAX_WAITING:
            oldest = self._waiting.pop(next(iter(self._waiting)))
            event(_log, logging.ERROR, "end of a run dropped", exportId=oldest.job_id, run=oldest.run.number)
        self._waiting[(outcome.job_id, outcome.run.number)] = outcome
