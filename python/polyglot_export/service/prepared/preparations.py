"""Prepared files: exports that run in the background into the spool.

    POST ──► waits for memory ──► run ──► file in the spool ──► its job has it ──► retention, DELETE
             (pending)            (running)                     (completed)

A run of this kind is a run like that of a download: it is recorded in
:class:`~polyglot_export.service.replicas.runs.Runs`, shows its progress and is cancelled there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from polyglot_export.access.exposure import Exposure
from polyglot_export.errors import Busy, PolyglotError
from polyglot_export.jobs.job import Job, PreparedFile
from polyglot_export.service.admission.opening import Admission, Admitted
from polyglot_export.service.errors import ReplicaLost, ServiceStopping
from polyglot_export.service.http.clients import unless
from polyglot_export.service.logs import event
from polyglot_export.service.prepared.openat import is_name_of
from polyglot_export.service.prepared.spool import Spool
from polyglot_export.service.prepared.turns import Turns
from polyglot_export.service.prepared.writer import FileWriter
from polyglot_export.service.replicas.active import ActiveRun
from polyglot_export.service.replicas.runs import DRAIN_SECONDS, Runs

__all__ = ["AT_ONCE", "PreparationTerms", "Preparations"]

AT_ONCE = 4
"""Files that are prepared at a time; the others wait. Downloads have a client that waits, and must find memory beside
them."""
QUEUE_BYTES = 4 << 20
"""What the requests of all files may hold that wait to be prepared (``Job.weight``)."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PreparationTerms:
    """Under what terms files are prepared."""

    attempts: int
    """Times that a file is begun, when replicas that did it went away before the end."""
    grace: float
    """Seconds that runs get to end when the service is told to."""
    queue: int
    """Files that may wait to be prepared."""
    callers: Callable[[], int]
    """How many callers there are."""
    shared: bool
    """Whether jobs outlive this process, so that other replicas take up what it leaves."""


class Preparations:
    """The files that this replica prepares, a few at a time. All methods belong to the event loop's thread."""

    def __init__(
        self,
        runs: Runs,
        spool: Spool,
        admission: Admission,
        exposure_of: Callable[[str | None], Exposure],
        terms: PreparationTerms,
    ) -> None:
        """Set up.

        Args:
            runs: Where the runs are recorded.
            spool: Where the files are written.
            admission: Lets the exports in.
            exposure_of: What the owner of a job may read now; raises Forbidden where its key is gone.
            terms: How often, and how long.
        """
        self._runs = runs
        self._spool = spool
        self._admission = admission
        self._exposure_of = exposure_of
        self._terms = terms
        self._turns = Turns(AT_ONCE, terms.callers)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._waiting: dict[str, Job] = {}
        """Jobs whose run has not begun, by their ids."""
        self._files: set[str] = set()
        """Names of files that are being written, or whose job is being told of them."""
        self._stop_at: float | None = None
        self.on_leftover: Callable[[], None] = lambda: None
        """Told that a file may be left that no job wants."""

    @property
    def held(self) -> frozenset[str]:
        """The ids of the jobs that this replica prepares or has taken to prepare."""
        return frozenset(self._tasks)

    def unsettled(self) -> set[str]:
        """Names of files that have no job yet, since they are being written or the store is away."""
        return self._files | {self._spool.name(lease.job_id, lease.run) for lease in self._runs.leases()}

    async def accept(self, job: Job) -> None:
        """Prepare the file of a job that was just stored.

        Raises:
            Busy: Too many wait already, all together or of this caller.
            SpoolFull: The limit of the spool is reached.
            TargetFailed: There is no spool.
        """
        await asyncio.to_thread(self._spool.check_room)
        if not self.has_room(job):
            raise Busy(
                f"{len(self._waiting)} files wait to be prepared, and there is no room for another one of this caller; "
                "try again later"
            )
        self.submit(job)

    def has_room(self, job: Job) -> bool:
        """Whether one more job may wait for its turn: all that wait have a limit in number and in memory, and where
        there are several callers, one of them has at most half of it.
        """
        share = 2 if self._terms.callers() > 1 else 1
        own = [waiting for waiting in self._waiting.values() if waiting.owner == job.owner]
        return (
            len(self._waiting) < self._terms.queue
            and len(own) < max(1, self._terms.queue // share)
            and sum(waiting.weight for waiting in self._waiting.values()) + job.weight <= QUEUE_BYTES
            and sum(waiting.weight for waiting in own) + job.weight <= QUEUE_BYTES // share
        )

    @property
    def queued(self) -> int:
        """How many files wait to be prepared."""
        return len(self._waiting)

    def submit(self, job: Job) -> None:
        """Prepare the file of a job in the background, on this replica.

        Nothing happens when it is being prepared here already, has its file, or the service is ending. What goes wrong
        is in the job's latest run.

        Args:
            job: One with ``"delivery": "file"``; none of its runs is under way.
        """
        if job.id in self._tasks or job.file is not None or self._stop_at is not None:
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

    async def remove_file(self, job: Job) -> None:
        """Remove what was prepared for a job that is forgotten."""
        if job.file is not None and is_name_of(job.file.name, job.id, job.file.run):
            await asyncio.to_thread(self._spool.remove, job.file.name)

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
                    event(_log, logging.INFO, "file not prepared", exportId=job.id, reason=str(error))
                    return
                if isinstance(ready, Exception):
                    await self._runs.end(active, ready)
                else:
                    await self._run(active, ready)

    async def _admit(self, job: Job, held: ExitStack) -> Admitted:
        """Wait for memory, without a limit in time.

        Raises:
            Forbidden: The job's owner may not export any more.
            Busy: There will never be enough memory.
            SpoolFull: There is no room for another file.
        """
        exposure = self._exposure_of(job.owner)
        admitted = held.enter_context(
            await self._admission.admit(job.spec, exposure, job.id, None, job.owner, weight=job.weight)
        )
        await asyncio.to_thread(self._spool.check_room)
        return admitted

    async def _run(self, active: ActiveRun, admitted: Admitted) -> None:
        name = self._spool.name(active.job.id, active.run.number)
        self._files.add(name)
        try:
            await self._record(active, await self._outcome(active, admitted, name))
        except ReplicaLost:
            # Another replica makes the file anew.
            await asyncio.to_thread(self._spool.remove, name)
        finally:
            self._files.discard(name)
        if active.reason is not None:
            # The file may have been complete when its owner cancelled the export.
            self.on_leftover()

    async def _outcome(self, active: ActiveRun, admitted: Admitted, name: str) -> PreparedFile | BaseException:
        """The file, or why there is none."""
        try:
            return await unless(self._write(active, admitted, name), active.until_stopped())
        except asyncio.CancelledError:
            return ServiceStopping("the service was shut down before the end")
        except BaseException as error:  # noqa: BLE001 - told in the run
            return error

    async def _record(self, active: ActiveRun, outcome: PreparedFile | BaseException) -> None:
        if isinstance(outcome, PreparedFile):
            await self._runs.end(active, None, outcome)
        elif isinstance(outcome, ServiceStopping) and self._terms.shared and self.may_begin(active.job):
            self._runs.leave(active)
        else:
            await self._runs.end(active, outcome)

    async def _write(self, active: ActiveRun, admitted: Admitted, name: str) -> PreparedFile:
        written = await FileWriter(admitted.open, self._spool.create(name), active).write()
        return PreparedFile(
            active.run.number,
            name,
            written.size,
            written.sha256,
            written.rows,
            active.present(),
            admitted.offered,
            written.stamp,
        )

    def _forget(self, job_id: str) -> None:
        self._waiting.pop(job_id, None)
        del self._tasks[job_id]
