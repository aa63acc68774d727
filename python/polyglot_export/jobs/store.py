"""Where jobs are kept: the protocol, and the store in this process's memory.

The interface is asynchronous and every change is a pure function of the stored job, so that a store shared by several
replicas can apply it in an optimistic transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from polyglot_export.errors import Busy, SpecError
from polyglot_export.jobs.job import Job, now

__all__ = ["JobStore", "MemoryJobStore", "cursor_of"]

MAX_WEIGHT = 2 << 20
"""Bytes of requests (``Job.weight``) that are kept. A usual one has a few hundred; a filter with a long list can have a megabyte,
and takes ten times that as objects."""


class JobStore(Protocol):
    """Keeps jobs. Every method may raise :class:`~polyglot_export.errors.Busy` while the store cannot be reached."""

    async def add(self, job: Job) -> None:
        """Keep a new job."""

    async def get(self, job_id: str) -> Job | None:
        """A job, or ``None`` when there is none of that id."""

    async def update(self, job_id: str, change: Callable[[Job], Job]) -> Job | None:
        """Replace a job by ``change(job)`` atomically.

        Args:
            job_id: The job.
            change: A function without side effects; it may be called more than once. What it raises is passed on.

        Returns:
            The job after the change, or ``None`` when there is none of that id.
        """

    async def remove(self, job_id: str) -> None:
        """Forget a job."""

    async def page(self, owner: str | None, *, limit: int, after: str | None = None) -> list[Job]:
        """The jobs of an owner, newest first.

        Args:
            owner: The name of a key, or ``None`` where no keys are configured.
            limit: Most jobs that are returned.
            after: The cursor (:func:`cursor_of`) of the last job that was seen; it need not exist any more.

        Raises:
            SpecError: ``after`` is not a cursor.
        """


def cursor_of(job: Job) -> str:
    """A job's place in the order of jobs, stable even when the job is forgotten."""
    return f"{_microseconds(job)}-{job.id}"


class MemoryJobStore:
    """Jobs in a dictionary: gone with the process, for one replica only.

    Memory:
        At most ``max_jobs`` jobs with at most ``MAX_RUNS`` runs each, and requests of :data:`MAX_WEIGHT` together; beyond it the
        oldest that are not running go.
    """

    def __init__(self, max_jobs: int) -> None:
        self._max_jobs = max_jobs
        self._jobs: dict[str, Job] = {}

    async def add(self, job: Job) -> None:
        """Keep a new job; see the protocol."""
        weight = job.weight + sum(known.weight for known in self._jobs.values())
        while self._jobs and (len(self._jobs) >= self._max_jobs or weight > MAX_WEIGHT):
            weight -= self._forget_one().weight
        self._jobs[job.id] = job

    async def get(self, job_id: str) -> Job | None:
        """See the protocol."""
        return self._jobs.get(job_id)

    async def update(self, job_id: str, change: Callable[[Job], Job]) -> Job | None:
        """See the protocol; there is one thread, so a call is atomic."""
        job = self._jobs.get(job_id)
        if job is None:
            return None
        changed = change(job)
        self._jobs[job_id] = changed
        return changed

    async def remove(self, job_id: str) -> None:
        """See the protocol."""
        self._jobs.pop(job_id, None)

    async def page(self, owner: str | None, *, limit: int, after: str | None = None) -> list[Job]:
        """See the protocol."""
        bound = _parse_cursor(after) if after is not None else None
        own = (job for job in self._jobs.values() if job.owner == owner)
        ordered = sorted(own, key=_order, reverse=True)
        return [job for job in ordered if bound is None or _order(job) < bound][:limit]

    def _forget_one(self) -> Job:
        """Forget an expired job before others, the oldest first, never one that is running."""
        at = now()
        idle = [job for job in self._jobs.values() if not job.running]
        if not idle:
            raise Busy(f"all {len(self._jobs)} exports that are kept are running; try again later")
        oldest = min(idle, key=lambda job: (job.expires_at > at, job.created_at, job.id))
        return self._jobs.pop(oldest.id)


def _microseconds(job: Job) -> int:
    return int(job.created_at.timestamp() * 1_000_000)


def _order(job: Job) -> tuple[int, str]:
    return (_microseconds(job), job.id)


def _parse_cursor(text: str) -> tuple[int, str]:
    time, _, job_id = text.partition("-")
    if not (time.isascii() and time.isdigit() and len(time) < 20 and job_id):
        raise SpecError(f"after: must be the value of next in the page before (got {text!r})", field="after")
    return (int(time), job_id)
