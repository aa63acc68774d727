"""Exports that run in the background: files that are prepared, sets of files that go to a store.

    POST ──► waits for memory ──► run ──► what it leaves ──► its job has it ──► retention, DELETE
             (pending)            (running)                 (completed)

A run of this kind is a run like that of a download: it is recorded in
:class:`~polyglot_export.service.replicas.runs.Runs`, shows its progress and is cancelled there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

from polyglot_export.access.exposure import Exposure
from polyglot_export.access.rights import Rights
from polyglot_export.errors import Busy, Cancelled, PolyglotError
from polyglot_export.execution.watched import Watcher, unless
from polyglot_export.jobs.job import Job, Made
from polyglot_export.service.admission.opening import Admission, Admitted
from polyglot_export.service.background.kind import Kind
from polyglot_export.service.background.turns import Turns
from polyglot_export.service.errors import ReplicaLost, ServiceStopping
from polyglot_export.service.logs import event
from polyglot_export.service.quotas.quotas import Quotas
from polyglot_export.service.replicas.active import ActiveRun
from polyglot_export.service.replicas.runs import DRAIN_SECONDS, Runs

__all__ = ["AT_ONCE", "PreparationTerms", "Preparations"]

AT_ONCE = 4
"""Exports that run in the background at a time; the others wait. Downloads have a client that waits, and must find
memory beside them."""
QUEUE_BYTES = 4 << 20
"""What the requests of all exports may hold that wait for their turn (``Job.weight``)."""

_log = logging.getLogger(__name__)


class Owner(Protocol):
    """The owner of a job, as far as this module asks (:class:`polyglot_export.service.callers.Caller`)."""

    @property
    def exposure(self) -> Exposure:
        """What it may read."""

    @property
    def rights(self) -> Rights:
        """With which rights it reads."""


@dataclass(frozen=True, slots=True)
class PreparationTerms:
    """Under what terms exports run in the background."""

    attempts: int
    """Times that one is begun, when replicas that ran it went away before the end."""
    grace: float
    """Seconds that runs get to end when the service is told to."""
    queue: int
    """Exports that may wait."""
    callers: Callable[[], int]
    """How many callers there may be."""
    until_revoked: Callable[[ActiveRun], Watcher]
    """Waits until the owner of a run is not known any more."""
    shared: bool
    """Whether jobs outlive this process, so that other replicas take up what it leaves."""


class Preparations:
    """The exports that this replica runs in the background, a few at a time. All methods belong to the event loop's
    thread.
    """

    def __init__(
        self,
        runs: Runs,
        kinds: Mapping[str, Kind],
        admission: Admission,
        owner_of: Callable[[Job], Owner],
        terms: PreparationTerms,
        quotas: Quotas,
    ) -> None:
        """Set up.

        Args:
            runs: Where the runs are recorded.
            kinds: What an export may leave, by its delivery.
            admission: Lets the exports in.
            owner_of: The owner of a job, with what it may do; raises Forbidden where its key is gone.
            terms: How often, and how long.
            quotas: Say whether limits of the owner allow it.
        """
        self._runs = runs
        self._kinds = kinds
        self._admission = admission
        self._owner_of = owner_of
        self._terms = terms
        self._quotas = quotas
        self._turns = Turns(AT_ONCE, terms.callers)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._waiting: dict[str, Job] = {}
        """Jobs whose run has not begun, by their ids."""
        self._stop_at: float | None = None

    @property
    def held(self) -> frozenset[str]:
        """The ids of the jobs that this replica runs or has taken to run."""
        return frozenset(self._tasks)

    async def accept(self, job: Job) -> None:
        """Run a job that was just stored.

        Raises:
            TooManyRequests: The owner has reached a limit of its own.
            Busy: Too many wait already, all together or of this caller.
            PolyglotError: There is no room for what it makes.
        """
        await self._quotas.check_new(job, self._owner_of(job).rights.limits)
        await self._kind(job).check_room(job)
        if not self.has_room(job):
            raise Busy(
                f"{len(self._waiting)} exports wait to be run in the background, and there is no room for another one"
                " of this caller; try again later"
            )
        self.submit(job)

    def has_room(self, job: Job) -> bool:
        """Whether one more job may wait for its turn: all that wait have a limit in number and in memory.

        Where there are several callers, one may have as much as is left for all others (a dynamic threshold, as
        switches share their buffers): half of it where it is the only one, a third each where there are two, and always
        one.
        """
        several = self._terms.callers() > 1
        own = [waiting for waiting in self._waiting.values() if waiting.owner == job.owner]
        weights = [waiting.weight for waiting in self._waiting.values()]
        places, room = self._terms.queue - len(weights) - 1, QUEUE_BYTES - sum(weights) - job.weight
        if places < 0 or room < 0 or not several or not own:
            return places >= 0 and room >= 0
        return len(own) < 1 + places and sum(waiting.weight for waiting in own) + job.weight <= room

    @property
    def queued(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    def submit(self, job: Job) -> None:
        """Run a job in the background, on this replica.

        Nothing happens when it runs here already, has what it is for, or the service is ending. What goes wrong is in
        the job's latest run.

        Args:
            job: One for the background; none of its runs is under way.
        """
        if job.id in self._tasks or job.made is not None or self._stop_at is not None:
            return
        self._waiting[job.id] = job
        task = asyncio.create_task(self._prepare(job))
        self._tasks[job.id] = task
        task.add_done_callback(lambda _: self._forget(job.id))

    def may_begin(self, job: Job) -> bool:
        """Whether a job has attempts left (``POLYGLOT_FILE_ATTEMPTS``)."""
        return job.latest is None or job.latest.number < self._terms.attempts

    def cancel(self, job_id: str) -> None:
        """Stop waiting for the job's turn; its run, once it has begun, is stopped by ``Runs.cancel``."""
        if job_id in self._waiting:
            self._tasks[job_id].cancel()

    async def forget(self, job: Job) -> None:
        """Remove what was prepared for a job that is forgotten."""
        if job.spec.in_background:
            await self._kind(job).forget(job)

    def stop(self) -> None:
        """Begin nothing any more; what runs has the service's grace to end."""
        if self._stop_at is None:
            self._stop_at = time.monotonic() + self._terms.grace
            for job_id in self._waiting:
                self._tasks[job_id].cancel()

    async def drain(self) -> None:
        """Wait until everything has ended or the grace is over. What still runs then is for ``Runs.drain`` to stop."""
        self.stop()
        left = (self._stop_at or 0.0) - time.monotonic()
        if self._tasks and left > 0:
            await asyncio.wait(self._tasks.values(), timeout=left)

    async def close(self) -> None:
        """Wait for what was stopped."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=DRAIN_SECONDS)

    async def _prepare(self, job: Job) -> None:
        """Wait for a turn and for memory, then run; whatever happens, the memory is given back and the end recorded."""
        async with self._turns.of(job.owner):
            with ExitStack() as held:
                try:
                    ready: Admitted | Exception = await self._admit(job, held)
                except Exception as error:  # noqa: BLE001 - told in the run, which has not begun yet
                    ready = error
                self._waiting.pop(job.id, None)
                try:
                    active = await self._runs.begin(job.id)
                except PolyglotError as error:
                    # Cancelled, forgotten or expired while it waited. Where the store is away, the lease lapses and
                    # others hear of it.
                    event(_log, logging.INFO, "export not begun", exportId=job.id, reason=str(error))
                    return
                if isinstance(ready, Exception):
                    await self._runs.end(active, ready)
                else:
                    await self._run(active, ready)

    async def _admit(self, job: Job, held: ExitStack) -> Admitted:
        """Wait for memory, without a limit in time.

        Raises:
            Forbidden: The job's owner may not export any more.
            TooManyRequests: The owner's prepared files have become too large meanwhile.
            Busy: There will never be enough memory.
            PolyglotError: There is no room for what it makes.
        """
        owner = self._owner_of(job)
        kind = self._kind(job)
        admitted = held.enter_context(
            await self._admission.admit(
                job.spec,
                owner.exposure,
                job.id,
                None,
                job.owner,
                rights=owner.rights,
                weight=job.weight,
                held=kind.held_bytes(job),
            )
        )
        # It may have waited for hours, in which a key was taken away.
        await self._quotas.check_begin(job, self._owner_of(job).rights.limits)
        await kind.check_room(job)
        return admitted

    async def _run(self, active: ActiveRun, admitted: Admitted) -> None:
        kind = self._kind(active.job)
        outcome = await self._outcome(active, admitted, kind)
        try:
            if isinstance(outcome, BaseException):
                # Who hears that it failed finds nothing of it.
                await kind.take_back(active)
            await self._record(active, outcome, admitted)
            if isinstance(active.reason, Cancelled):
                # It may have been complete when its owner cancelled the export.
                await kind.take_back(active)
        except ReplicaLost:
            # Another replica makes it anew.
            await kind.take_back(active)
        finally:
            kind.settled(active)

    async def _outcome(self, active: ActiveRun, admitted: Admitted, kind: Kind) -> Made | BaseException:
        """What the run has left, or why there is nothing."""
        try:
            revoked = self._terms.until_revoked(active)
            return await unless(kind.make(active, admitted), active.until_stopped(), revoked)
        except asyncio.CancelledError:
            return ServiceStopping("the service was shut down before the end")
        except BaseException as error:  # noqa: BLE001 - told in the run
            return error

    async def _record(self, active: ActiveRun, outcome: Made | BaseException, admitted: Admitted) -> None:
        if not isinstance(outcome, BaseException):
            await self._runs.end(active, None, outcome)
            self._quotas.made(active.job, outcome, admitted.rights.limits)
        elif isinstance(outcome, ServiceStopping) and self._terms.shared and self.may_begin(active.job):
            self._runs.leave(active)
        else:
            await self._runs.end(active, outcome)

    def _kind(self, job: Job) -> Kind:
        return self._kinds[job.spec.delivery]

    def _forget(self, job_id: str) -> None:
        self._waiting.pop(job_id, None)
        del self._tasks[job_id]
