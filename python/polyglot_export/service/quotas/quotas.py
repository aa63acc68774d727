"""What is asked before a caller gets something: whether its limits allow it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from polyglot_export.access.limits import Limits
from polyglot_export.access.rights import Rights
from polyglot_export.jobs.job import Job, JobStatus, Made, now
from polyglot_export.jobs.stores.base import JobStore, cursor_of
from polyglot_export.service.quotas.places import Places
from polyglot_export.service.quotas.refused import SOON, Refusals
from polyglot_export.service.quotas.traffic import Meter, Traffic, seconds_of_the_day_left
from polyglot_export.text.sizes import size_text

__all__ = ["Quotas", "Usage"]

PAGE = 50
"""Exports that are looked at in one go."""


class Asking(Protocol):
    """A caller, as far as this module asks (:class:`polyglot_export.service.callers.Caller`)."""

    @property
    def name(self) -> str | None:
        """Who it is."""

    @property
    def rights(self) -> Rights:
        """With its limits."""


@dataclass(slots=True)
class _Kept:
    """What an owner's exports are and have, as the store knows it."""

    waiting: int = 0
    prepared_bytes: int = 0
    first_expiry: datetime | None = None
    """When the first of its prepared files goes by itself."""

    def add(self, job: Job) -> None:
        self.waiting += job.awaited
        if job.file is not None and job.status() is not JobStatus.EXPIRED:
            self.prepared_bytes += job.file.size
            self.first_expiry = min(self.first_expiry or job.expires_at, job.expires_at)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a caller with limits has used; ``None`` where it has no such limit, and nobody counts."""

    exports: int | None
    waiting: int | None
    prepared_bytes: int | None
    bytes_per_day: int | None


class Quotas:
    """All methods belong to the event loop's thread. A caller without a name has no limits: it is everybody."""

    def __init__(self, store: JobStore) -> None:
        self.refusals = Refusals()
        self.places = Places(store.ledger, self.refusals)
        self._traffic = Traffic(store.ledger)
        self._store = store

    async def note_request(self, caller: Asking) -> None:
        """Count a request.

        Raises:
            TooManyRequests: There were too many in the minute before.
            StoreAway: Nobody knows.
        """
        most = caller.rights.limits.requests_per_minute
        if caller.name is None or most is None:
            return
        seconds = await self._store.ledger.request(caller.name, most)
        if seconds > 0:
            raise self.refusals.of(
                "requests_per_minute", f"{most} requests a minute are allowed, and were made", seconds
            )

    def meter(self, caller: Asking) -> Meter | None:
        """Counts what is sent to a caller; ``None`` where nobody wants to know."""
        if caller.name is None or caller.rights.limits.bytes_per_day is None:
            return None
        return Meter(self._traffic, caller.name)

    async def check_day(self, caller: Asking) -> None:
        """Whether a caller may have more bytes today.

        Raises:
            TooManyRequests: It has had them.
            StoreAway: Nobody knows.
        """
        most = caller.rights.limits.bytes_per_day
        if caller.name is None or most is None:
            return
        spent = await self._traffic.spent(caller.name)
        if spent >= most:
            raise self.refusals.of(
                "bytes_per_day",
                f"{size_text(most)} a day (UTC) are allowed, and {size_text(spent)} were sent today",
                seconds_of_the_day_left(now()),
            )

    async def check_new(self, job: Job, limits: Limits) -> None:
        """Whether a job that was just stored may wait for its turn in the background.

        Raises:
            TooManyRequests: Too many wait, or its owner's prepared files are too large already.
        """
        kept = await self._kept(job.owner, limits)
        if limits.waiting is not None and kept.waiting > limits.waiting:
            raise self.refusals.of(
                "waiting",
                f"{limits.waiting} exports may wait to be run in the background, and {kept.waiting - 1} wait",
            )
        self._check_prepared(job, limits, kept)

    async def check_begin(self, job: Job, limits: Limits) -> None:
        """Whether a job whose turn has come may leave one more prepared file.

        Raises:
            TooManyRequests: Those before it are too large by now.
        """
        self._check_prepared(job, limits, await self._kept(job.owner, limits))

    def made(self, job: Job, made: Made, limits: Limits) -> None:
        """Count what was delivered for a caller; a prepared file counts when it is fetched."""
        if job.spec.delivery == "store" and job.owner is not None and limits.bytes_per_day is not None:
            self._traffic.add(job.owner, made.size)

    async def usage(self, caller: Asking) -> Usage:
        """What a caller has used of what is limited."""
        limits, name = caller.rights.limits, caller.name
        if name is None:
            return Usage(None, None, None, None)
        kept = await self._kept(name, limits)
        return Usage(
            exports=await self._store.ledger.places(name) if limits.exports is not None else None,
            waiting=kept.waiting if limits.waiting is not None else None,
            prepared_bytes=kept.prepared_bytes if limits.prepared_bytes is not None else None,
            bytes_per_day=await self._traffic.spent(name) if limits.bytes_per_day is not None else None,
        )

    async def close(self) -> None:
        """Leave to other replicas what they must know."""
        await self.places.close()
        await self._traffic.close()

    def _check_prepared(self, job: Job, limits: Limits, kept: _Kept) -> None:
        most = limits.prepared_bytes
        if job.spec.delivery != "file" or most is None or kept.prepared_bytes < most:
            return
        left = (kept.first_expiry - now()).total_seconds() if kept.first_expiry is not None else SOON
        raise self.refusals.of(
            "prepared_bytes",
            f"prepared files may have {size_text(most)} together, and have {size_text(kept.prepared_bytes)}; "
            "delete exports that are not needed any more",
            left,
        )

    async def _kept(self, owner: str | None, limits: Limits) -> _Kept:
        """What is counted by looking at the owner's exports, which only those do that have such limits."""
        kept = _Kept()
        if owner is not None and (limits.waiting, limits.prepared_bytes) != (None, None):
            async for job in self._jobs(owner):
                kept.add(job)
        return kept

    async def _jobs(self, owner: str) -> AsyncIterator[Job]:
        after: str | None = None
        while page := await self._store.page(owner, limit=PAGE, after=after):
            for job in page:
                yield job
            after = cursor_of(page[-1])
