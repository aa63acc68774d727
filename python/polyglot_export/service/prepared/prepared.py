"""Prepared files: exports that run in the background into the spool, and the spool's tidying up.

    POST ──► waits for memory ──► run ──► file in the spool ──► its job has it ──► retention, DELETE
             (pending)            (running)                     (completed)

A run of this kind is a run like that of a download: it is recorded in
:class:`~polyglot_export.service.replicas.runs.Runs`, shows its progress and is cancelled there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from polyglot_export.errors import Cancelled, PolyglotError, SpecError
from polyglot_export.jobs.job import Job, JobStatus, PreparedFile
from polyglot_export.service.admission import opening as sizing
from polyglot_export.service.http.auth import Caller
from polyglot_export.service.http.problems import Forbidden, ReplicaLost, ServiceStopping
from polyglot_export.service.logs import event
from polyglot_export.service.prepared.spool import Spooled
from polyglot_export.service.prepared.writer import FileWriter, Opener
from polyglot_export.service.replicas.runs import DRAIN_SECONDS, ActiveRun

if TYPE_CHECKING:
    from polyglot_export.service.container import Service

__all__ = ["Preparations"]

AT_ONCE = 4
"""Files that are prepared at a time; the others wait. Downloads have a client that waits, and must find memory beside
them."""
TIDY_SECONDS = 60.0
"""Longest time between two looks at the spool; shorter where jobs expire sooner."""
LEAST_TIDY_SECONDS = 0.5
UNKNOWN_SECONDS = 60.0
"""Age at which a dead replica's file goes that no job knows: its last word to a shared store may still be on its
way."""

_log = logging.getLogger(__name__)


class Preparations:
    """The files that this replica prepares, a few at a time. All methods belong to the event loop's thread."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._waiting: set[str] = set()
        """Jobs whose run has not begun."""
        self._files: set[str] = set()
        """Names of files that are being written, or whose job is being told of them."""
        self._stop_at: float | None = None
        self._tidying: asyncio.Task[None] | None = None
        self._untidy = asyncio.Event()

    @property
    def held(self) -> frozenset[str]:
        """The ids of the jobs that this replica prepares or has taken to prepare."""
        return frozenset(self._tasks)

    async def accept(self, job: Job) -> None:
        """Prepare the file of a job that was just stored; where there is no room for it, there is no job either.

        Raises:
            SpoolFull: The limit of the spool is reached.
            TargetFailed: There is no spool.
        """
        try:
            await asyncio.to_thread(self._service.spool.check_room)
        except PolyglotError:
            await self._service.store.remove(job.id)
            raise
        self.submit(job)

    def submit(self, job: Job) -> None:
        """Prepare the file of a job in the background, on this replica.

        Nothing happens when it is being prepared here already, has its file, or the service is ending. What goes wrong
        is in the job's latest run.

        Args:
            job: One with ``"delivery": "file"``; none of its runs is under way.
        """
        if job.id in self._tasks or job.file is not None or self._stop_at is not None:
            return
        self._waiting.add(job.id)
        task = asyncio.create_task(self._prepare(job))
        self._tasks[job.id] = task
        task.add_done_callback(lambda _: self._forget(job.id))

    def may_begin(self, job: Job) -> bool:
        """Whether a job has attempts left (``POLYGLOT_FILE_ATTEMPTS``)."""
        return job.latest is None or job.latest.number < self._service.settings.file_attempts

    def cancel(self, job_id: str) -> None:
        """Stop waiting for the job's turn; its run, once it has begun, is stopped by ``Runs.cancel``."""
        if job_id in self._waiting:
            self._tasks[job_id].cancel()

    def remove_file(self, job: Job) -> None:
        """Remove what was prepared for a job that is forgotten."""
        if job.file is not None:
            self._service.spool.remove(job.file.name)

    def start(self) -> None:
        """Begin to tidy the spool up, and go on with it."""
        self._tidying = asyncio.create_task(self._tidy_for_ever())

    def stop(self) -> None:
        """Begin nothing any more; what runs has the service's grace to end."""
        if self._stop_at is None:
            self._stop_at = time.monotonic() + self._service.settings.shutdown_grace
            for job_id in self._waiting:
                self._tasks[job_id].cancel()

    async def drain(self) -> None:
        """Wait until everything has ended or the grace is over. What still runs then is for ``Runs.drain`` to stop."""
        self.stop()
        left = (self._stop_at or 0.0) - time.monotonic()
        if self._tasks and left > 0:
            await asyncio.wait(self._tasks.values(), timeout=left)

    async def close(self) -> None:
        """Wait for what was stopped, and give the spool up."""
        if self._tidying is not None:
            self._tidying.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=DRAIN_SECONDS)
        await asyncio.to_thread(self._service.spool.close, keep=self._shared and self._service.spool.configured)

    async def tidy(self) -> None:
        """Remove files that no job has any more, or that have expired, and what dead replicas were writing."""
        spool, store = self._service.spool, self._service.store
        patience = UNKNOWN_SECONDS if self._shared else 0.0
        for file in await asyncio.to_thread(spool.survey):
            if file.name in self._unsettled() or (not file.own and file.age < patience):
                continue
            if not _wanted(await store.get(file.job_id), file) and file.name not in self._unsettled():
                await asyncio.to_thread(spool.remove, file.name)
                event(_log, logging.INFO, "prepared file removed", exportId=file.job_id, file=file.name)

    async def _tidy_for_ever(self) -> None:
        try:
            await asyncio.to_thread(self._service.spool.open)
        except SpecError as error:
            # It is tried again for the first file; those who want none need no spool.
            event(_log, logging.WARNING, "no spool", reason=str(error))
        if self._shared and not self._service.spool.configured:
            event(
                _log,
                logging.WARNING,
                "POLYGLOT_SPOOL_DIR is not set: only the replica that has prepared a file can serve it",
            )
        pause = min(TIDY_SECONDS, max(LEAST_TIDY_SECONDS, self._service.settings.job_retention / 4))
        while True:
            try:
                await self.tidy()
            except PolyglotError as error:
                # Without the store nobody knows which files are wanted.
                event(_log, logging.WARNING, "spool not tidied", reason=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._untidy.wait()
            self._untidy.clear()

    @property
    def _shared(self) -> bool:
        """Whether jobs outlive this process, so that others know of its files."""
        return self._service.replica is not None

    def _unsettled(self) -> set[str]:
        """Names of files whose job does not have them yet, perhaps because the store is away."""
        waiting = {self._service.spool.name(lease.job_id, lease.run) for lease in self._service.runs.leases()}
        return self._files | waiting

    async def _prepare(self, job: Job) -> None:
        """Wait for a turn and for memory, then run; released and recorded in any case."""
        async with self._turn:
            with ExitStack() as memory:
                try:
                    ready: Opener | Exception = await self._admit(job, memory)
                except Exception as error:  # noqa: BLE001 - told in the run, which has not begun yet
                    ready = error
                self._waiting.discard(job.id)
                try:
                    active = await self._service.runs.begin(job.id)
                except PolyglotError as error:
                    # Cancelled, forgotten or expired while it waited. Where the store is away, the lease lapses and
                    # others hear of it.
                    event(_log, logging.INFO, "file not prepared", exportId=job.id, reason=str(error))
                    return
                if isinstance(ready, Exception):
                    await self._service.runs.end(active, ready)
                else:
                    await self._run(active, ready)

    async def _admit(self, job: Job, memory: ExitStack) -> Opener:
        """Wait for memory, without a limit in time.

        Raises:
            Forbidden: The job's owner may not export any more.
            Busy: There will never be enough memory.
            SpoolFull: There is no room for another file.
        """
        exposure = self._service.exposure(self._owner(job))
        opening = sizing.of(self._service, job.spec, job.id)
        memory.enter_context(await self._service.budget.reserve(opening, None))
        await asyncio.to_thread(self._service.spool.check_room)
        return opening.opener(exposure)

    async def _run(self, active: ActiveRun, opener: Opener) -> None:
        name = self._service.spool.name(active.job.id, active.run.number)
        self._files.add(name)
        work = asyncio.create_task(self._write(active, opener, name))
        active.attach(work)
        await asyncio.wait({work})
        error = _outcome(work, active)
        try:
            if isinstance(error, ServiceStopping) and self._shared and self.may_begin(active.job):
                self._service.runs.leave(active)
            else:
                await self._service.runs.end(active, error, work.result() if error is None else None)
        except ReplicaLost:
            # Another replica makes the file anew.
            await asyncio.to_thread(self._service.spool.remove, name)
        finally:
            self._files.discard(name)
        if active.reason is not None:
            # It may have been complete when its owner cancelled it.
            self._untidy.set()

    async def _write(self, active: ActiveRun, opener: Opener, name: str) -> PreparedFile:
        written = await FileWriter(opener, self._service.spool.create(name), active).write()
        return PreparedFile(active.run.number, name, written.size, written.sha256, written.rows, active.present())

    def _owner(self, job: Job) -> Caller:
        """Who the job is run for, with the rights that the key has now.

        Raises:
            Forbidden: The key is not configured any more.
        """
        keys = self._service.configuration.keys
        if not keys and job.owner is None:
            return Caller(None)
        for key in keys:
            if key.name == job.owner:
                return Caller(key)
        raise Forbidden("the key that created the export is not configured any more")

    def _forget(self, job_id: str) -> None:
        self._waiting.discard(job_id)
        del self._tasks[job_id]


def _outcome(work: asyncio.Task[PreparedFile], active: ActiveRun) -> BaseException | None:
    """Why there is no file, or ``None``; a reason from outside comes first."""
    if work.cancelled():
        return active.reason or ServiceStopping("the service was shut down before the end")
    error = work.exception()
    return active.reason or error if isinstance(error, Cancelled) else error


def _wanted(job: Job | None, file: Spooled) -> bool:
    """Whether a finished file is still some job's."""
    if job is None or job.file is None or job.file.name != file.name:
        return False
    return job.status() not in {JobStatus.EXPIRED, JobStatus.CANCELLED}
