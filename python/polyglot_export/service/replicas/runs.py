"""The runs that are under way in this process: how they begin and end, and who may stop them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from polyglot_export.errors import Cancelled, InternalError, PolyglotError
from polyglot_export.jobs.job import Failure, Job, JobStatus, Made, Run, now
from polyglot_export.jobs.stores.base import JobStore, Lease
from polyglot_export.service.audit.log import AuditLog
from polyglot_export.service.audit.recorder import Recorder
from polyglot_export.service.errors import ClientGone, Expired, NotFound, ReplicaLost, ServiceStopping, WrongState
from polyglot_export.service.http import problems
from polyglot_export.service.logs import about, event
from polyglot_export.service.replicas.active import ActiveRun
from polyglot_export.service.replicas.outcomes import Outcome, Outcomes

__all__ = ["DRAIN_SECONDS", "Runs", "check_runnable"]

DRAIN_SECONDS = 5.0
"""How long the end of the service waits for runs that were told to stop: a cancel request takes a round trip or two."""

_log = logging.getLogger(__name__)


class Runs:
    """All runs of this process."""

    def __init__(
        self,
        store: JobStore,
        max_duration: float | None = None,
        replica: str | None = None,
        audit: Recorder | None = None,
    ) -> None:
        """Set up.

        Args:
            store: Where jobs are kept.
            max_duration: Seconds that a run may take, waiting for its turn included.
            replica: The name of this process where it shares the store with others.
            audit: Told of every run before it begins, and when it is over.
        """
        self._audit = audit if audit is not None else Recorder(AuditLog(None))
        self._store = store
        self._max_duration = max_duration
        self.replica = replica
        self.outcomes = Outcomes(store)
        self._active: dict[tuple[str, int], ActiveRun] = {}
        self.stopping = False
        """Set when the service is told to end: no run begins any more."""
        self.on_end: Callable[[ActiveRun, Run], None] | None = None
        """Told of every run that has ended, as it is recorded."""

    def __len__(self) -> int:
        return len(self._active)

    def active(self) -> list[ActiveRun]:
        """What is under way."""
        return list(self._active.values())

    async def begin(self, job_id: str) -> ActiveRun:
        """Start a run of a job.

        Raises:
            ServiceStopping: No run begins any more.
            NotFound: The job is gone.
            Expired: Its retention time has passed.
            WrongState: Its owner cancelled it; or it runs in the background, and has ended or is under way.
            StoreAway: The store cannot be reached.
            AuditAway: The audit log cannot be written.
        """
        if self.stopping:
            raise ServiceStopping("the service is being shut down; try again later")

        def start(job: Job) -> Job:
            check_runnable(job)
            if job.spec.in_background and (job.running or job.made is not None):
                raise WrongState(f"what export {job.id} is for is there or is being made")
            return job.with_new_run(now(), self.replica)

        job = await self._store.update(job_id, start)
        if job is None or job.latest is None:
            raise NotFound(f"there is no export {job_id}")
        active = ActiveRun(job, job.latest)
        about(exportId=job.id, run=active.run.number, key=job.owner)
        if self._max_duration is not None:
            active.stop_after(self._max_duration)
        self._active[(job.id, active.run.number)] = active
        try:
            await self._audit.begun(job, active.run)
        except BaseException as error:
            await self.end(active, error)
            raise
        return active

    async def end(self, active: ActiveRun, error: BaseException | None, made: Made | None = None) -> None:
        """Record how a run ended and what it has left, if anything, and log it. Only the first call counts.

        Raises:
            ReplicaLost: It was delivered, but another replica has declared it failed, since this one did not renew its
                lease. Nobody waits for what was made in the background, which is simply not the job's.
        """
        if active.ended.is_set():
            return
        active.finish()
        self._active.pop((active.job.id, active.run.number), None)
        status = _status(error)
        run = replace(active.current(), status=status, finished_at=active.present(), error=_failure(error))
        if status is JobStatus.COMPLETED:
            run = replace(run, progress=1.0)
        digest = made.sha256 if made is not None else None
        try:
            await self.outcomes.record(Outcome(active.job.id, run, made))
        except ReplicaLost as lost:
            await self._tell_end(active, replace(run, status=JobStatus.FAILED, error=_failure(lost)), lost, digest)
            if error is None and made is None:
                raise
        else:
            await self._tell_end(active, run, error, digest)

    def cancel(self, job_id: str) -> None:
        """Stop all runs of a job."""
        for active in list(self._active.values()):
            if active.job.id == job_id:
                active.stop(Cancelled("the export was cancelled by its owner"))

    def leave(self, active: ActiveRun) -> None:
        """Forget a run without an end: its lease lapses, and another replica begins it anew."""
        active.finish()
        self._active.pop((active.job.id, active.run.number), None)
        event(_log, logging.INFO, "export left to another replica", exportId=active.job.id, run=active.run.number)

    def stop(self, job_id: str, number: int, reason: PolyglotError) -> None:
        """Stop one run, if it is under way here."""
        active = self._active.get((job_id, number))
        if active is not None:
            active.stop(reason)

    def leases(self) -> list[Lease]:
        """What this process runs, as it stands."""
        return [Lease(active.job.id, active.run.number, active.current()) for active in self._active.values()]

    def runs_here(self, job_id: str) -> bool:
        """Whether a run of the job is under way in this process."""
        return any(job == job_id for job, _ in self._active)

    def live(self, job: Job) -> Job:
        """The job with the progress of its runs as of this moment."""
        for run in job.runs:
            active = self._active.get((job.id, run.number))
            # A run that has ended there is over, whatever this process still believes.
            if active is not None and not run.ended:
                job = job.with_run(active.current())
        return job

    def refuse_new(self) -> None:
        """Let no run begin any more, and stop those that have not opened their export yet."""
        self.stopping = True
        for active in list(self._active.values()):
            if active.progress is None:
                active.stop(ServiceStopping("the service is being shut down; try again later"))

    async def _tell_end(self, active: ActiveRun, run: Run, error: BaseException | None, digest: str | None) -> None:
        _log_end(active, run, error)
        if self.on_end is not None:
            self.on_end(active, run)
        await self._audit.ended(active.job, run, digest, time.monotonic() - active.started)

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
        await self.outcomes.settle(DRAIN_SECONDS)


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
            raise WrongState(
                f"export {job.id} was cancelled and cannot be downloaded; create a new one with POST /exports"
            )
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
