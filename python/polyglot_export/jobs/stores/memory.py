"""Jobs in the memory of this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from polyglot_export.errors import Busy
from polyglot_export.jobs.job import Job, now
from polyglot_export.jobs.stores.base import MAX_WEIGHT, check_weight, order_of, parse_cursor
from polyglot_export.jobs.stores.ledger import MemoryLedger

__all__ = ["MemoryJobStore"]

MAX_RUNS_KEPT = 5_000
"""Runs of all jobs together; beyond it a job that gets another one keeps only the latest."""
RUNS_LEFT = 3
"""So many."""


class MemoryJobStore:
    """Jobs in a dictionary: gone with the process, for one replica only. There is one thread, so every call is atomic.

    Memory: At most ``max_jobs`` jobs with at most ``MAX_RUNS`` runs each, and requests of :data:`MAX_WEIGHT` together;
        beyond it the oldest that are not running go, those of whoever has most. A run has about a kilobyte, and all
        jobs together have :data:`MAX_RUNS_KEPT`.
    """

    def __init__(self, max_jobs: int) -> None:
        self._max_jobs = max_jobs
        self._jobs: dict[str, Job] = {}
        self._keys: dict[tuple[str | None, str], str] = {}
        """The id of the job by its owner and the key of its request."""
        self.ledger = MemoryLedger()

    async def add(self, job: Job) -> Job:
        """See the protocol."""
        self._forget_the_forgotten()
        if job.key is not None and (known := self._keys.get((job.owner, job.key.value))) is not None:
            return self._jobs[known]
        check_weight(job)
        weight = job.weight + sum(known.weight for known in self._jobs.values())
        while self._jobs and (len(self._jobs) >= self._max_jobs or weight > MAX_WEIGHT):
            by_count = len(self._jobs) >= self._max_jobs
            weight -= self._forget_one(job, lambda each: 1 if by_count else each.weight).weight  # noqa: B023 - called now
        self._jobs[job.id] = job
        if job.key is not None:
            self._keys[(job.owner, job.key.value)] = job.id
        return job

    async def get(self, job_id: str) -> Job | None:
        """See the protocol."""
        return self._known(job_id)

    async def remembered(self, job_id: str) -> Job | None:
        """See the protocol."""
        return self._jobs.get(job_id)

    async def look(self, known: Job, mark: str) -> tuple[Job | None, str]:
        """See the protocol; nothing is read here."""
        return self._known(known.id), mark

    async def update(self, job_id: str, change: Callable[[Job], Job]) -> Job | None:
        """See the protocol."""
        job = self._known(job_id)
        if job is None:
            return None
        changed = self._trimmed(job, change(job))
        self._jobs[job_id] = changed
        return changed

    async def remove(self, job_id: str) -> None:
        """See the protocol."""
        if job_id in self._jobs:
            self._forget(job_id)

    async def page(self, owner: str | None, *, limit: int, after: str | None = None) -> list[Job]:
        """See the protocol."""
        return self._page(lambda job: job.owner == owner, limit, after)

    async def page_of_all(self, *, limit: int, after: str | None = None) -> list[Job]:
        """See the protocol."""
        return self._page(lambda _: True, limit, after)

    def _page(self, wanted: Callable[[Job], bool], limit: int, after: str | None) -> list[Job]:
        self._forget_the_forgotten()
        bound = parse_cursor(after) if after is not None else None
        ordered = sorted(filter(wanted, self._jobs.values()), key=order_of, reverse=True)
        return [job for job in ordered if bound is None or order_of(job) < bound][:limit]

    async def check(self) -> None:
        """Always usable."""

    async def counts(self) -> dict[str, int]:
        """See the protocol."""
        self._forget_the_forgotten()
        at = now()
        running = sum(job.running for job in self._jobs.values())
        expired = sum(job.expires_at <= at for job in self._jobs.values() if not job.running)
        return {"running": running, "idle": len(self._jobs) - running - expired, "expired": expired}

    async def close(self) -> None:
        """Nothing to release."""

    def _trimmed(self, before: Job, job: Job) -> Job:
        """The job with fewer of its runs that are over, where all jobs together have too many."""
        if len(job.runs) <= len(before.runs):
            return job
        if len(job.runs) + sum(len(known.runs) for known in self._jobs.values()) - len(before.runs) <= MAX_RUNS_KEPT:
            return job
        recent = job.runs[-RUNS_LEFT:]
        return replace(job, runs=tuple(run for run in job.runs if not run.ended or run in recent))

    def _known(self, job_id: str) -> Job | None:
        job = self._jobs.get(job_id)
        if job is None or not job.forgotten():
            return job
        self._forget(job_id)
        return None

    def _forget_the_forgotten(self) -> None:
        at = now()
        for job in [job for job in self._jobs.values() if job.forgotten(at)]:
            self._forget(job.id)

    def _forget_one(self, new: Job, measure: Callable[[Job], int]) -> Job:
        """Forget an expired job before others, then the oldest of whoever has most, never one that is running
        or waits for its turn in the background.
        """
        at = now()
        has: Counter[str | None] = Counter()
        for job in (*self._jobs.values(), new):
            has[job.owner] += measure(job)
        # Of others only if they have more than the owner of the new one.
        idle = [
            job
            for job in self._jobs.values()
            if not job.running
            and (
                job.expires_at <= at
                or (not job.awaited and (job.owner == new.owner or has[job.owner] > has[new.owner]))
            )
        ]
        if not idle:
            raise Busy("all exports of this caller that are kept are running or wait for their turn; try again later")
        oldest = min(idle, key=lambda job: (job.expires_at > at, -has[job.owner], order_of(job)))
        return self._forget(oldest.id)

    def _forget(self, job_id: str) -> Job:
        job = self._jobs.pop(job_id)
        if job.key is not None:
            del self._keys[(job.owner, job.key.value)]
        return job
