"""What every store of jobs does, and what one does beside it that several replicas share.

The interface is asynchronous, and every change is a pure function of the stored job, so that a shared store can apply
it in an optimistic transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from polyglot_export.errors import Busy, SpecError
from polyglot_export.jobs.job import Job, Run
from polyglot_export.jobs.stores.ledger import Ledger

__all__ = [
    "MAX_WEIGHT",
    "JobStore",
    "Lease",
    "Pulse",
    "SharedJobStore",
    "StoreAway",
    "check_weight",
    "cursor_of",
    "order_of",
    "parse_cursor",
]

MAX_WEIGHT = 8 << 20
"""Bytes of memory (``Job.weight``) that all requests that are kept take together. A usual one takes two kilobytes; one
whose filter has a long list can take three megabytes."""


class StoreAway(Busy):
    """The store of the jobs cannot be reached, or did not answer in time."""


class JobStore(Protocol):
    """Keeps jobs. Every method may raise :class:`StoreAway` while the store cannot be reached."""

    async def add(self, job: Job) -> Job:
        """Keep a new job. Beyond the store's limits jobs are forgotten that neither run nor wait for their turn: those
        that have expired, then the oldest of whoever has most, so that nobody can make the store forget what others
        have.

        Returns: The job; or, unchanged, the one of the same owner that already has its key (``Job.key``). Of two calls
            at the same time one is the first.

        Raises:
            Busy: All jobs that may be forgotten are running, or wait for their turn in the background.
            SpecError: The job is larger than all jobs together may be.
        """

    async def get(self, job_id: str) -> Job | None:
        """A job, or ``None`` when there is none of that id."""

    async def remembered(self, job_id: str) -> Job | None:
        """A job, also one that :meth:`get` would not give any more, as long as it is still there."""

    async def look(self, known: Job, mark: str) -> tuple[Job | None, str]:
        """A job as it is now, for who looks again and again.

        Args:
            known: As it was at the last look.
            mark: What that look gave; empty at first.

        Returns:
            The job, or ``None`` when there is none any more; and the mark for the next look.
        """

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
        """The jobs of an owner, newest first. A store may leave out runs that are over, but for the latest.

        Args:
            owner: The name of a key, or ``None`` where no keys are configured.
            limit: Most jobs that are returned.
            after: The cursor (:func:`cursor_of`) of the last job that was seen; it need not exist any more.

        Raises:
            SpecError: ``after`` is not a cursor.
        """

    async def page_of_all(self, *, limit: int, after: str | None = None) -> list[Job]:
        """The jobs of all owners, as :meth:`page` gives those of one.

        Raises:
            SpecError: ``after`` is not a cursor.
        """

    async def check(self) -> None:
        """Return if the store can be used now."""

    async def counts(self) -> dict[str, int]:
        """How many jobs are kept: those that are ``running``, those that have ``expired``, and those that are ``idle``,
        which wait for a download or have ended.
        """

    @property
    def ledger(self) -> Ledger:
        """What callers have used, kept where the jobs are."""

    async def close(self) -> None:
        """Release its connections."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right and the duty of a replica to run something, as long as it renews it."""

    job_id: str
    run: int
    """The number of a run; 0 for a job that waits for its first one (``Job.taken_by``), ``MESSAGES_LEASE`` for the
    messages of a job (``Job.messages``)."""
    state: Run | None = None
    """The run as it stands, for others to see."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a replica learns when it renews its leases."""

    lost: frozenset[tuple[str, int]]
    """Runs (job, number) that it believes to be its own and that have been ended by another replica."""
    cancelled: frozenset[str]
    """Its jobs that their owner has cancelled."""
    mark: str = ""
    """The latest that a replica has left (:meth:`SharedJobStore.leave_mark`); empty where there is none."""


@runtime_checkable
class SharedJobStore(JobStore, Protocol):
    """A store of several replicas. Where a job names a replica (``Run.replica``, ``Job.taken_by``,
    ``Message.replica``), that one has a lease from then on until the run has ended, the first run has begun, or the
    messages are settled.
    """

    async def renew(self, replica: str, leases: Sequence[Lease]) -> Pulse:
        """Renew the leases of a replica and let the others see how far its runs are."""

    async def claim(self, replica: str, limit: int) -> list[Lease]:
        """Take over leases that have lapsed: they belong to this replica now, so that exactly one deals with what they
        were for.
        """

    async def release(self, replica: str, lease: Lease) -> None:
        """Give a lease up that was claimed."""

    async def leave_mark(self, mark: str) -> str:
        """Leave a sign for all replicas that the configuration is to be read again.

        Returns:
            The mark before; empty where there was none.
        """

    def twin(self) -> SharedJobStore:
        """Another way to the same store, for the event loop of another thread."""


def check_weight(job: Job) -> None:
    """Refuse a job that alone would be too much.

    Raises:
        SpecError: It is.
    """
    if job.weight > MAX_WEIGHT:
        raise SpecError(None, f"the request takes {job.weight} bytes of memory; {MAX_WEIGHT} are allowed for all")


def cursor_of(job: Job) -> str:
    """A job's place in the order of jobs; it stays valid when the job is forgotten."""
    microseconds, job_id = order_of(job)
    return f"{microseconds}-{job_id}"


def order_of(job: Job) -> tuple[int, str]:
    """What jobs are sorted by: microseconds since 1970, then the id."""
    return (int(job.created_at.timestamp() * 1_000_000), job.id)


def parse_cursor(text: str) -> tuple[int, str]:
    """The order that a cursor stands for.

    Raises:
        SpecError: It is none.
    """
    time, _, job_id = text.partition("-")
    if not (time.isascii() and time.isdigit() and len(time) < 20 and job_id):
        raise SpecError("after", f"must be the value of next in the page before (got {text!r})")
    return (int(time), job_id)
