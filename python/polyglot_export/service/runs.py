"""The downloads that are under way in this process: who stops them, how far they are, and what became of them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from polyglot_export.errors import Cancelled, InternalError, PolyglotError
from polyglot_export.jobs.job import Failure, Job, JobStatus, Run, now
from polyglot_export.jobs.store import JobStore
from polyglot_export.service import problems
from polyglot_export.service.logs import event
from polyglot_export.service.problems import ClientGone, Expired, NotFound, ServiceStopping, WrongState

if TYPE_CHECKING:
    from polyglot_export.export import Progress

__all__ = ["ActiveRun", "Runs", "check_runnable"]

DRAIN_SECONDS = 5.0
"""How long the end of the service waits for runs that were told to stop: a cancel request takes a round trip or two."""

_log = logging.getLogger(__name__)


class ActiveRun:
    """One download under way."""

    def __init__(self, job: Job, run: Run) -> None:
        self.job = job
        self.run = run
        self.started = time.monotonic()
        self.bytes = 0
        """Bytes handed to the client's connection."""
        self.progress: Callable[[], Progress] | None = None
        """How far the export is; known once it has been opened."""
        self.snapshot: str | None = None
        self.reason: PolyglotError | None = None
        """Why it was stopped from outside."""
        self.ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def attach(self, task: asyncio.Task[None]) -> None:
        """Name the task that :meth:`stop` cancels."""
        self._task = task
        if self.reason is not None:
            task.cancel()

    def stop(self, reason: PolyglotError) -> None:
        """Stop the run; the first reason is the one that counts. Does not wait, and does nothing once the run has ended."""
        if self.reason is None and not self.ended.is_set():
            self.reason = reason
            if self._task is not None:
                self._task.cancel()

    def current(self) -> Run:
        """The run as it stands."""
        progress = self.progress() if self.progress is not None else None
        if progress is None:
            return replace(self.run, bytes=self.bytes, snapshot=self.snapshot)
        return replace(
            self.run,
            bytes=self.bytes,
            snapshot=self.snapshot,
            rows=progress.rows,
            progress=progress.fraction,
            losses=dict(progress.losses),
        )


class Runs:
    """All downloads of this process."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._active: dict[tuple[str, int], ActiveRun] = {}
        self.stopping = False
        """Set when the service is told to end: no run begins any more."""

    def __len__(self) -> int:
        return len(self._active)

    async def begin(self, job_id: str) -> ActiveRun:
        """Start a run of a job.

        Raises:
            ServiceStopping: No run begins any more.
            NotFound: The job is gone.
            Expired: Its retention time has passed.
            WrongState: Its owner cancelled it.
        """
        if self.stopping:
            raise ServiceStopping("the service is being shut down; try again later")

        def start(job: Job) -> Job:
            check_runnable(job)
            return job.with_new_run(now())

        job = await self._store.update(job_id, start)
        if job is None or job.latest is None:
            raise NotFound(f"there is no export {job_id}")
        active = ActiveRun(job, job.latest)
        self._active[(job.id, active.run.number)] = active
        return active

    async def end(self, active: ActiveRun, error: BaseException | None) -> None:
        """Record how a run ended, and log it. Only the first call counts."""
        if active.ended.is_set():
            return
        active.ended.set()
        self._active.pop((active.job.id, active.run.number), None)
        status = _status(error)
        run = replace(active.current(), status=status, finished_at=now(), error=_failure(error))
        if status is JobStatus.COMPLETED:
            run = replace(run, progress=1.0)
        await self._store.update(active.job.id, lambda job: job.with_run(run))
        _log_end(active, run, error)

    def cancel(self, job_id: str) -> None:
        """Stop all runs of a job."""
        for active in list(self._active.values()):
            if active.job.id == job_id:
                active.stop(Cancelled("the export was cancelled by its owner"))

    def live(self, job: Job) -> Job:
        """The job with the progress of its runs as of this moment."""
        for run in job.runs:
            active = self._active.get((job.id, run.number))
            if active is not None:
                job = job.with_run(active.current())
        return job

    def refuse_new(self) -> None:
        """Let no run begin any more, and stop those that have not opened their export yet."""
        self.stopping = True
        for active in list(self._active.values()):
            if active.progress is None:
                active.stop(ServiceStopping("the service is being shut down; try again later"))

    async def drain(self) -> None:
        """Stop every run and wait until they have closed what they hold."""
        self.stopping = True
        running = list(self._active.values())
        for active in running:
            active.stop(ServiceStopping("the service was shut down before the end"))
        if running:
            waits = [asyncio.ensure_future(active.ended.wait()) for active in running]
            _, late = await asyncio.wait(waits, timeout=DRAIN_SECONDS)
            for wait in late:
                wait.cancel()


def check_runnable(job: Job) -> None:
    """Whether a job may be downloaded.

    Raises:
        Expired: Its retention time has passed.
        WrongState: Its owner cancelled it.
    """
    match job.status():
        case JobStatus.EXPIRED:
            raise Expired(f"export {job.id} has expired; create a new one with POST /exports")
        case JobStatus.CANCELLED if job.cancelled_at is not None:
            raise WrongState(f"export {job.id} was cancelled and cannot be downloaded; create a new one with POST /exports")
        case _:
            return


def _status(error: BaseException | None) -> JobStatus:
    if error is None:
        return JobStatus.COMPLETED
    return JobStatus.CANCELLED if isinstance(error, Cancelled | ClientGone) else JobStatus.FAILED


def _failure(error: BaseException | None) -> Failure | None:
    if error is None:
        return None
    row = problems.problem_of(error)
    shown = error if isinstance(error, PolyglotError) else InternalError("")
    return Failure(row.code, problems.sentence(error), shown.sqlstate, shown.row, shown.column)


def _log_end(active: ActiveRun, run: Run, error: BaseException | None) -> None:
    row = problems.problem_of(error) if error is not None else None
    level = logging.INFO if run.status is not JobStatus.FAILED else logging.WARNING
    event(
        _log,
        level,
        "export ended",
        # A defect needs its traceback; what a client or the database did wrong is told by its sentence.
        error=error if row is not None and row.code == "internal-error" else None,
        exportId=active.job.id,
        run=run.number,
        status=run.status.value,
        dataset=active.job.spec.dataset,
        format=active.job.spec.format.value,
        rows=run.rows,
        bytes=run.bytes,
        seconds=time.monotonic() - active.started,
        snapshot=run.snapshot,
        key=active.job.owner,
        code=row.code if row is not None else None,
        reason=str(error) if error is not None else None,
        sqlstate=getattr(error, "sqlstate", None),
    )
