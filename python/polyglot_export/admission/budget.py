"""The memory and the connections of the whole process, shared out among the exports that run: no reservation, no start.

What an export needs is computed by :mod:`polyglot_export.admission.sizes`; this module only knows how much
there is, how many want it, and whose turn it is.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self, TypeVar

from polyglot_export.errors import Busy

__all__ = ["Ceiling", "Demand", "Fixed", "MemoryBudget", "Reservation", "Share"]


KEPT_BYTES = 4 << 20
"""Memory that is left for a caller that holds nothing: a small export. For all of them at most a quarter."""
NEWCOMERS = 2
"""Callers which hold nothing and do not wait for whom room is left, if there may be so many."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one export gets."""

    bytes: int
    workers: int = 0
    """Connections, beside that of its leader."""


class Ceiling(Protocol):
    """How many connections there may be."""

    @property
    def limit(self) -> int:
        """Of all exports together."""


S = TypeVar("S", bound=Share)
S_co = TypeVar("S_co", bound=Share, covariant=True)


class Demand(Protocol[S_co]):
    """What an export asks for: more is better, down to what it cannot do without."""

    @property
    def least(self) -> S_co:
        """The smallest share that it can start with."""

    def within(self, size: int, workers: int) -> S_co | None:
        """The best share of at most so many bytes and workers; ``None`` where even the least is more."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """A demand for one share, no more and no less."""

    least: Share

    def within(self, size: int, workers: int) -> Share | None:
        """The share, where it is not more than that."""
        return self.least if self.least.bytes <= size and self.least.workers <= workers else None


class MemoryBudget:
    """Hands out shares in the order in which they were asked for.

    All exports that run or wait may have the same, and whatever is more than the least comes from the first half of
    memory and connections (for an export that is alone, from three quarters of the memory). So a few exports get much,
    many get little, and a newcomer seldom finds nothing left. An export that cannot get its least waits, and those
    behind it wait too; otherwise a stream of small exports could keep a large one waiting for ever.

    Where there are several callers, none may take the last of what others need: each has at most three quarters of the
    memory, and leaves a connection and some memory for each caller that waits without one, and for newcomers
    (:data:`NEWCOMERS`): most of those that might come do not want anything at the moment. Who waits only because of
    that, or of a limit of its own, keeps nobody else waiting; and of those that wait, one whose caller has fewer
    connections comes first.

    Only the event loop's thread may wait; everything else may be called from any thread, :meth:`reserve_now` too.
    """

    def __init__(
        self,
        capacity: int,
        connections: Ceiling | None = None,
        on_release: Callable[[], None] | None = None,
        callers: Callable[[], int] = lambda: 1,
        advice: str = "POLYGLOT_MEMORY_LIMIT, or a smaller POLYGLOT_ROW_LIMIT, change that",
    ) -> None:
        """Set up.

        Args:
            capacity: Bytes that all reservations together may have.
            connections: How many workers there may be; ``None`` for any number.
            on_release: Called when memory was given back; must not block.
            callers: How many callers there may be that want something.
            advice: What a person can do about an export that needs more than there is.
        """
        self.capacity = capacity
        self.reserved = 0
        self.workers = 0
        """Connections of workers that are granted."""
        self.running = 0
        """Exports that hold a share."""
        self.on_wait: Callable[[float], None] | None = None
        """Told of the seconds that an export has waited for its first share, in vain or not."""
        self._callers = callers
        self._advice = advice
        self._held: Counter[str | None] = Counter()
        """Bytes by caller."""
        self._workers_held: Counter[str | None] = Counter()
        """Connections by caller."""
        self._connections = connections
        self._on_release = on_release
        self._lock = threading.RLock()
        self._queue: deque[_Waiter] = deque()

    @property
    def most(self) -> int:
        """Bytes that one caller may have."""
        return self.capacity if self._callers() <= 1 else self.capacity * 3 // 4

    @property
    def waiting(self) -> int:
        """How many exports wait for their turn."""
        return len(self._queue)

    def workers_of(self, caller: str | None) -> int:
        """Connections that a caller's exports have."""
        return self._workers_held[caller]

    async def reserve(
        self,
        demand: Demand[Share] | int,
        seconds: float | None,
        caller: str | None = None,
        *,
        most_workers: int | None = None,
    ) -> Reservation:
        """Wait for a share.

        Args:
            demand: What is wanted, or a number of bytes.
            seconds: To wait at most; ``None`` waits as long as it takes.
            caller: Who wants it.
            most_workers: Connections that all exports of the caller may have together; ``None`` for its share.

        Raises:
            Busy: The time is over, or the least that is wanted is more than there is at all.
        """
        wanted = Fixed(Share(demand)) if isinstance(demand, int) else demand
        began = time.monotonic()
        try:
            return await self._wait(wanted, seconds, _Claim(caller, most_workers))
        finally:
            if self.on_wait is not None and wanted.least.workers:
                self.on_wait(time.monotonic() - began)

    def reserve_now(self, demand: Demand[Share]) -> Reservation:
        """A share without waiting; from any thread.

        Raises:
            Busy: There is no room for it now, or the least that is wanted is more than there is at all.
        """
        self._refuse_impossible(demand.least)
        with self._lock:
            share = None if self._queue else self._choose(demand, Share(0), _NOBODY)
            if share is None:
                raise Busy(f"no {self._scarce(demand.least, None)} for another export is free; try again later")
            self._add(share, 1, None)
        return Reservation(self, share)

    async def exchange(self, reservation: Reservation, demand: Demand[Share], seconds: float | None) -> None:
        """Give a share back and wait for another one, in front of all that wait: the turn was ours already.

        Nothing is held meanwhile, so that two that want more cannot wait for each other.

        Raises:
            Busy: As :meth:`reserve`.
        """
        reservation.take_over(await self._wait(demand, seconds, reservation.claim, giving=reservation))

    def resize(self, reservation: Reservation, demand: Demand[S]) -> S | None:
        """Change a share that is held into one that fits a demand, without waiting.

        Returns:
            The new share, or ``None`` where there is no room for it now; then nothing has changed.
        """
        with self._lock:
            if not reservation.held:
                return None
            held = reservation.share
            claim = reservation.claim
            share = self._choose(demand, held, claim)
            if share is None or not self._leaves_room(share, held, claim):
                return None
            self._add(share, 1, claim.caller)
            self._add(held, -1, claim.caller)
            reservation.share = share
        self._released()
        return share

    def release(self, reservation: Reservation) -> None:
        """Give back what was granted; called by :class:`Reservation`."""
        with self._lock:
            if not reservation.held:
                return
            reservation.held = False
            self._add(reservation.share, -1, reservation.claim.caller)
        self._released()

    async def _wait(
        self, demand: Demand[Share], seconds: float | None, claim: _Claim, *, giving: Reservation | None = None
    ) -> Reservation:
        """Wait behind all others, or in front of them for a share that is given back."""
        self._refuse_impossible(demand.least)
        waiter = _Waiter(demand, claim, giving is not None)
        with self._lock:
            if giving is None:
                self._queue.append(waiter)
                self._grant()
            else:
                # In this order, or those behind could get what is given back.
                self._queue.appendleft(waiter)
                self.release(giving)
        try:
            async with asyncio.timeout(seconds):
                await waiter.ready.wait()
        except BaseException as error:
            self._forget(waiter)
            if isinstance(error, TimeoutError) and seconds is not None:
                raise Busy(
                    f"no {self._scarce(demand.least, claim.caller)} for another export became free in {seconds:g} "
                    "seconds; try again later"
                ) from None
            raise
        return Reservation(self, waiter.granted, claim)

    def _refuse_impossible(self, least: Share) -> None:
        if least.bytes > self.most:
            raise Busy(
                f"this export needs {_mebibytes(least.bytes)} MiB of memory and the service has "
                f"{_mebibytes(self.most)} MiB for exports of one caller; {self._advice}"
            )

    def _scarce(self, least: Share, caller: str | None) -> str:
        kept = self._kept_for_others(caller) if self._workers_held[caller] else 0
        return "database connection" if least.workers > self._free_workers(Share(0)) - kept else "memory"

    def _grant(self) -> None:
        with self._lock:
            while self._grant_one():
                pass

    def _grant_one(self) -> bool:
        """Give the first that may have a share its share; whether there was one."""
        several = self._callers() > 1
        # sorted() keeps the order of those that are equal.
        turns = sorted(
            self._queue, key=lambda each: (not each.first, self._workers_held[each.claim.caller] if several else 0)
        )
        for waiter in turns:
            if not self._leaves_room(waiter.demand.least, Share(0), waiter.claim):
                continue
            share = self._choose(waiter.demand, Share(0), waiter.claim)
            if share is None:
                return False
            self._add(share, 1, waiter.claim.caller)
            self._queue.remove(waiter)
            waiter.grant(share)
            return True
        return False

    def _leaves_room(self, share: Share, held: Share, claim: _Claim) -> bool:
        """Whether other callers still find something when this one has a share in place of one that it holds, and this
        one stays within its own limit.
        """
        caller = claim.caller
        if share.workers and share.workers > self._own_workers(held, claim):
            return False
        if self._callers() <= 1:
            return True
        more = share.workers and self._workers_held[caller] > held.workers
        if more and self._free_workers(held) - share.workers < self._kept_for_others(caller):
            return False
        if self._held[caller] - held.bytes + share.bytes > self.most:
            return False
        free = self.capacity - self.reserved + held.bytes - share.bytes
        return free >= min(self._without(caller) * KEPT_BYTES, self.capacity // 4)

    def _kept_for_others(self, caller: str | None) -> int:
        """Connections that are left for callers which hold none."""
        return min(self._without(caller), self._all_workers() // 2)

    def _without(self, caller: str | None) -> int:
        """For how many other callers that hold no connection room is left."""
        having = {other for other, workers in self._workers_held.items() if workers and other != caller}
        waiting = {waiter.claim.caller for waiter in self._queue} - having - {caller}
        unknown = self._callers() - 1 - len(having) - len(waiting)
        return len(waiting) + max(0, min(unknown, NEWCOMERS))

    def _own_workers(self, held: Share, claim: _Claim) -> int:
        """Connections that a caller may have for an export in place of those that it holds, by its own limit."""
        if claim.most_workers is None:
            return self._all_workers()
        return claim.most_workers - self._workers_held[claim.caller] + held.workers

    def _choose(self, demand: Demand[S], held: Share, claim: _Claim) -> S | None:
        """The share of an export that holds another one, or none yet."""
        crowd = max(1, self.running + self.waiting)
        free, workers = self.capacity - self.reserved + held.bytes, self._free_workers(held)
        kept = self.capacity // (4 if crowd == 1 else 2)
        fair_workers = min(self._all_workers() // crowd, workers - self._all_workers() // 2)
        most = min(workers, max(1, fair_workers), self._own_workers(held, claim))
        fair = demand.within(min(self.capacity // crowd, free - kept), most)
        if fair is not None and self._leaves_room(fair, held, claim):
            return fair
        least = demand.least
        return least if least.bytes <= free and least.workers <= workers else None

    def _all_workers(self) -> int:
        return self._connections.limit if self._connections is not None else 1 << 16

    def _free_workers(self, held: Share) -> int:
        return self._all_workers() - self.workers + held.workers

    def _add(self, share: Share, sign: int, caller: str | None) -> None:
        self._held[caller] += sign * share.bytes
        self._workers_held[caller] += sign * share.workers
        if not self._held[caller] and not self._workers_held[caller]:
            del self._held[caller], self._workers_held[caller]
        self.reserved += sign * share.bytes
        self.workers += sign * share.workers
        # A share without workers is not an export but a chunk of a prepared file that is being sent; it does not count
        # among those that the memory is shared between.
        self.running += sign if share.workers else 0

    def _released(self) -> None:
        self._grant()
        if self._on_release is not None:
            self._on_release()

    def _forget(self, waiter: _Waiter) -> None:
        with self._lock:
            if waiter in self._queue:
                self._queue.remove(waiter)
                self._grant()
                return
        # Granted in the same turn of the loop in which the caller was cancelled or ran out of time.
        self.release(Reservation(self, waiter.granted, waiter.claim))


@dataclass(frozen=True, slots=True)
class _Claim:
    """In whose name a share is asked for."""

    caller: str | None = None
    most_workers: int | None = None
    """Connections that all shares of the caller may have."""


_NOBODY = _Claim()


@dataclass(eq=False, slots=True)
class _Waiter:
    demand: Demand[Share]
    claim: _Claim
    first: bool
    """Whether it waits in front of all others."""
    granted: Share = Share(0)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def grant(self, share: Share) -> None:
        """Wake the one that waits; from any thread."""
        self.granted = share
        self.loop.call_soon_threadsafe(self.ready.set)


class Reservation:
    """A share of the memory; give it back once, with :meth:`release` or at the end of a ``with`` block."""

    def __init__(self, budget: MemoryBudget, share: Share, claim: _Claim = _NOBODY) -> None:
        self._budget = budget
        self.claim = claim
        self.share = share
        self.held = True

    def release(self) -> None:
        """Give the share back; further calls do nothing."""
        self._budget.release(self)

    def take_over(self, other: Reservation) -> None:
        """Hold what the other one holds, in its place."""
        self.share = other.share
        self.held, other.held = other.held, False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):.0f}"
