"""The memory and the connections of the whole process, shared out among the exports that run: no reservation, no start.

What an export needs is computed by :mod:`polyglot_export.service.admission.sizes`; this module only knows how much
there is, how many want it, and whose turn it is.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self, TypeVar

from polyglot_export.errors import Busy
from polyglot_export.service.admission.connections import Connections

__all__ = ["Demand", "Fixed", "MemoryBudget", "Reservation", "Share"]


@dataclass(frozen=True, slots=True)
class Share:
    """What one export gets."""

    bytes: int
    workers: int = 0
    """Connections, beside that of its leader."""


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

    Only the event loop's thread may wait; everything else may be called from any thread.
    """

    def __init__(
        self, capacity: int, connections: Connections | None = None, on_release: Callable[[], None] | None = None
    ) -> None:
        """Set up.

        Args:
            capacity: Bytes that all reservations together may have.
            connections: How many workers there may be; ``None`` for any number.
            on_release: Called when memory was given back; must not block.
        """
        self.capacity = capacity
        self.reserved = 0
        self.workers = 0
        """Connections of workers that are granted."""
        self.running = 0
        """Exports that hold a share."""
        self.on_wait: Callable[[float], None] | None = None
        """Told of the seconds that an export has waited for its first share, in vain or not."""
        self._connections = connections
        self._on_release = on_release
        self._lock = threading.RLock()
        self._queue: deque[_Waiter] = deque()

    @property
    def waiting(self) -> int:
        """How many exports wait for their turn."""
        return len(self._queue)

    async def reserve(self, demand: Demand[Share] | int, seconds: float | None) -> Reservation:
        """Wait for a share.

        Args:
            demand: What is wanted, or a number of bytes.
            seconds: To wait at most; ``None`` waits as long as it takes.

        Raises:
            Busy: The time is over, or the least that is wanted is more than there is at all.
        """
        wanted = Fixed(Share(demand)) if isinstance(demand, int) else demand
        began = time.monotonic()
        try:
            return await self._wait(wanted, seconds)
        finally:
            if self.on_wait is not None and wanted.least.workers:
                self.on_wait(time.monotonic() - began)

    async def exchange(self, reservation: Reservation, demand: Demand[Share], seconds: float | None) -> None:
        """Give a share back and wait for another one, in front of all that wait: the turn was ours already.

        Nothing is held meanwhile, so that two that want more cannot wait for each other.

        Raises:
            Busy: As :meth:`reserve`.
        """
        reservation.take_over(await self._wait(demand, seconds, giving=reservation))

    def resize(self, reservation: Reservation, demand: Demand[S]) -> S | None:
        """Change a share that is held into one that fits a demand, without waiting.

        Returns:
            The new share, or ``None`` where there is no room for it now; then nothing has changed.
        """
        with self._lock:
            if not reservation.held:
                return None
            held = reservation.share
            share = self._choose(demand, held)
            if share is None:
                return None
            self._add(share, 1)
            self._add(held, -1)
            reservation.share = share
        self._released()
        return share

    def release(self, reservation: Reservation) -> None:
        """Give back what was granted; called by :class:`Reservation`."""
        with self._lock:
            if not reservation.held:
                return
            reservation.held = False
            self._add(reservation.share, -1)
        self._released()

    async def _wait(
        self, demand: Demand[Share], seconds: float | None, *, giving: Reservation | None = None
    ) -> Reservation:
        """Wait behind all others, or in front of them for a share that is given back."""
        self._refuse_impossible(demand.least)
        waiter = _Waiter(demand)
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
                    f"no {self._scarce(demand.least)} for another export became free in {seconds:g} seconds; try "
                    "again later"
                ) from None
            raise
        return Reservation(self, waiter.granted)

    def _refuse_impossible(self, least: Share) -> None:
        if least.bytes > self.capacity:
            raise Busy(
                f"this export needs {_mebibytes(least.bytes)} MiB of memory and the service has "
                f"{_mebibytes(self.capacity)} MiB for exports; "
                "POLYGLOT_MEMORY_LIMIT, or a smaller POLYGLOT_ROW_LIMIT, change that"
            )

    def _scarce(self, least: Share) -> str:
        return "database connection" if least.workers > self._free_workers(Share(0)) else "memory"

    def _grant(self) -> None:
        with self._lock:
            while self._queue:
                share = self._choose(self._queue[0].demand, Share(0))
                if share is None:
                    return
                self._add(share, 1)
                self._queue.popleft().grant(share)

    def _choose(self, demand: Demand[S], held: Share) -> S | None:
        """The share of an export that holds another one, or none yet."""
        crowd = max(1, self.running + self.waiting)
        free, workers = self.capacity - self.reserved + held.bytes, self._free_workers(held)
        kept = self.capacity // (4 if crowd == 1 else 2)
        fair_workers = min(self._all_workers() // crowd, workers - self._all_workers() // 2)
        fair = demand.within(min(self.capacity // crowd, free - kept), min(workers, max(1, fair_workers)))
        if fair is not None:
            return fair
        least = demand.least
        return least if least.bytes <= free and least.workers <= workers else None

    def _all_workers(self) -> int:
        return self._connections.limit if self._connections is not None else 1 << 16

    def _free_workers(self, held: Share) -> int:
        return self._all_workers() - self.workers + held.workers

    def _add(self, share: Share, sign: int) -> None:
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
        self.release(Reservation(self, waiter.granted))


@dataclass(eq=False, slots=True)
class _Waiter:
    demand: Demand[Share]
    granted: Share = Share(0)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def grant(self, share: Share) -> None:
        """Wake the one that waits; from any thread."""
        self.granted = share
        self.loop.call_soon_threadsafe(self.ready.set)


class Reservation:
    """A share of the memory; give it back once, with :meth:`release` or at the end of a ``with`` block."""

    def __init__(self, budget: MemoryBudget, share: Share) -> None:
        self._budget = budget
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
