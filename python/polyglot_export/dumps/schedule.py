"""Which parts run at a time: as many as there are workers and as fit into the memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Self

from polyglot_export.cancel import CancelToken
from polyglot_export.dumps.tickets import PartResult, Ticket
from polyglot_export.errors import PolyglotError
from polyglot_export.execution.engines.base import StreamProgress
from polyglot_export.limits import DUMP_BYTES, DUMP_LARGE_BYTES, ROUTE_ALL_FILES
from polyglot_export.planning.reservation import reservation

__all__ = ["OnStart", "Schedule"]

POLL_SECONDS = 0.1
"""How often the thread that waits looks after the leader and tells how far the dump is."""

OnStart = Callable[[Callable[[], StreamProgress]], None]
Write = Callable[[Ticket, CancelToken, OnStart], PartResult]


@dataclass(slots=True)
class Running:
    """A part that is being written."""

    ticket: Ticket
    token: CancelToken
    bytes: int
    """Its reservation."""
    progress: Callable[[], StreamProgress] | None = None


def _fit(parts: list[Running]) -> bool:
    """Whether parts may run side by side."""
    large = [each for each in parts if each.ticket.plan.largest_row is None]
    reserved = sum(each.bytes for each in parts)
    if sum(each.ticket.plan.route.open_files for each in parts if each.ticket.plan.route) > ROUTE_ALL_FILES:
        return False
    return reserved <= DUMP_BYTES or (len(large) == 1 and reserved <= DUMP_LARGE_BYTES)


class Schedule:
    """Runs parts in threads; a context manager that ends what still runs. One thread may use it.

    A part has as many workers as its plan says. It begins when so many are free, and when the memory that all running
    parts have reserved leaves room for it; a part that alone is larger than that runs alone.

    Args:
        workers: Connections that read, in all.
        held: Bytes that the destination of a part holds.
        write: Writes a part; called in a thread.
        tend: Called now and then while this waits.
        here: Whether parts are written in this process, and so within its memory.
    """

    def __init__(self, workers: int, held: int, write: Write, tend: Callable[[], None], *, here: bool = True) -> None:
        self._here = here
        self._workers = workers
        self._held = held
        self._write = write
        self._tend = tend
        self._executor = ThreadPoolExecutor(workers, "polyglot-part")
        self._running: dict[Future[PartResult], Running] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.cancel(lambda _: True)
        self._executor.shutdown()

    @property
    def idle(self) -> bool:
        """Whether nothing runs."""
        return not self._running

    def free(self) -> int:
        """Workers that read nothing."""
        return self._workers - sum(each.ticket.plan.limits.workers for each in self._running.values())

    def has_room(self, ticket: Ticket) -> bool:
        """Whether a part may begin now."""
        if not self._running:
            return True
        if ticket.plan.limits.workers > self.free():
            return False
        return not self._here or _fit([*self._running.values(), self._of(ticket)])

    def start(self, ticket: Ticket) -> None:
        """Begin a part."""
        running = self._of(ticket)

        def note(progress: Callable[[], StreamProgress]) -> None:
            with self._lock:
                running.progress = progress

        self._running[self._executor.submit(self._write, ticket, running.token, note)] = running

    def ended(self) -> list[tuple[Ticket, PartResult | PolyglotError]]:
        """Wait until a part has ended; gives those that have, with what became of them. Empty if nothing runs."""
        done: set[Future[PartResult]] = set()
        while self._running and not done:
            done, _ = wait(self._running, POLL_SECONDS, FIRST_COMPLETED)
            self._tend()
        return [self._outcome(future) for future in sorted(done, key=self._order)]

    def progress(self) -> tuple[int, int]:
        """Rows and bytes of the parts that run."""
        with self._lock:
            asked = [each.progress() for each in self._running.values() if each.progress is not None]
        return sum(each.rows for each in asked), sum(each.bytes for each in asked)

    def cancel(self, which: Callable[[Ticket], bool]) -> None:
        """End parts that run. Does not block."""
        for each in list(self._running.values()):
            if which(each.ticket):
                each.token.cancel()

    def _of(self, ticket: Ticket) -> Running:
        return Running(ticket, CancelToken(), reservation(ticket.plan, self._held))

    def _order(self, future: Future[PartResult]) -> tuple[int, int]:
        ticket = self._running[future].ticket
        return ticket.relation, ticket.number

    def _outcome(self, future: Future[PartResult]) -> tuple[Ticket, PartResult | PolyglotError]:
        ticket = self._running.pop(future).ticket
        try:
            return ticket, future.result()
        except PolyglotError as error:
            return ticket, error
