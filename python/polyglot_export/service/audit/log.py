"""Writing the audit log: before the bytes leave, off the event loop, and with an end to every wait.

What must be told before something happens is written first, and where it cannot be, that does not happen. What tells of
something that has happened is kept until it can be written, and until then nothing new begins. All lines that wait are
written together, so that a slow disk is asked once for many of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

from polyglot_export.jobs.clock import now
from polyglot_export.service.audit.events import AuditEvent, LogResumed, RequestRefused
from polyglot_export.service.audit.flood import Flood
from polyglot_export.service.audit.lines import line_of
from polyglot_export.service.audit.target import AuditTarget
from polyglot_export.service.audit.thread import WritingThread
from polyglot_export.service.errors import AuditAway
from polyglot_export.service.logs import event as log_event

__all__ = ["AuditLog"]

_log = logging.getLogger(__name__)

WRITE_SECONDS: Final = 5.0
"""After which a line counts as not written: a network drive may hang for ever."""
RETRY_SECONDS: Final = 1.0
"""Between two tries to write, while that fails."""
KEPT_BYTES: Final = 4 << 20
"""Of lines that wait. What has happened may fill all of it: some thousand ends of runs, of which only so many can be
under way …"""
NEEDED_BYTES: Final = 2 << 20
"""… what is about to happen half of it, and then it does not …"""
REFUSED_BYTES: Final = 1 << 20
"""… and refusals a quarter, because whoever has no key must not push out what others have read."""


class _Line:
    """A line that waits."""

    __slots__ = ("data", "needed", "written")

    def __init__(self, data: bytes, *, needed: bool) -> None:
        self.data = data
        self.needed = needed
        self.written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def settle(self, *, written: bool) -> None:
        """Tell who waits for it."""
        if not self.written.done():
            self.written.set_result(written)


class AuditLog:
    """The log of one process. Methods belong to the thread of the event loop.

    Memory:
        :data:`KEPT_BYTES`.
    """

    def __init__(self, target: AuditTarget | None, replica: str | None = None) -> None:
        """Set up.

        Args:
            target: Where lines go; ``None`` for no audit log, and then nothing is ever refused.
            replica: The name of this process where there are several.
        """
        self._target = target
        self._replica = replica
        self._thread = WritingThread()
        self._waiting: deque[_Line] = deque()
        self._bytes = 0
        self._flood = Flood()
        self._task: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._problem: str | None = None
        self._since = now()
        self._lost = 0

    def check(self) -> None:
        """Return if the log can be written, as far as is known. After a failure it is tried again all the time.

        Raises:
            AuditAway: It cannot.
        """
        if self._problem is not None:
            raise _away()

    async def must(self, event: AuditEvent) -> None:
        """Write what is about to happen.

        Raises:
            AuditAway: It is not written, so it must not happen.
        """
        if self._target is None:
            return
        self.check()
        data = self._line(event)
        if self._bytes + len(data) > NEEDED_BYTES:
            raise _away()
        line = self._add(data, needed=True)
        try:
            written = await self._settled(line)
        finally:
            self._forget(line)
        if not written:
            raise _away()

    async def tell(self, event: AuditEvent) -> None:
        """Write what has happened, now or as soon as that is possible."""
        if self._target is None:
            return
        data = self._line(event)
        if self._bytes + len(data) > KEPT_BYTES:
            self._lost += 1
            self._failed("there are too many lines")
            return
        line = self._add(data, needed=False)
        # While it is known that it cannot be written, nobody waits for that.
        if self._problem is None:
            await self._settled(line)

    async def refused(self, event: RequestRefused) -> None:
        """Write that somebody was refused, unless that happens too often to be written."""
        if self._target is None or not self._flood.lets_in(has_room=self._bytes < REFUSED_BYTES):
            return
        await self.tell(replace(event, omitted=self._flood.taken()))

    def reopen(self) -> None:
        """The file was renamed: the next line goes into a new one."""
        if self._target is not None and self._problem is None:
            self._thread.run(self._target.close)

    async def close(self) -> None:
        """Write what is kept, if that can be, and close."""
        if self._target is None:
            return
        last = self._write()
        await asyncio.wait({last}, timeout=WRITE_SECONDS)
        if self._retry is not None:
            self._retry.cancel()
        if self._waiting:
            log_event(_log, logging.ERROR, "lines of the audit log lost", lines=len(self._waiting))
        if last.done():
            await self._thread.run(self._target.close)
        self._thread.end()

    def _line(self, event: AuditEvent) -> bytes:
        return line_of(event, now(), self._replica)

    def _add(self, data: bytes, *, needed: bool) -> _Line:
        line = _Line(data, needed=needed)
        self._waiting.append(line)
        self._bytes += len(data)
        if self._problem is None:
            self._write()
        return line

    async def _settled(self, line: _Line) -> bool:
        """Whether a line is written, within the time that one may take."""
        await asyncio.wait({line.written}, timeout=WRITE_SECONDS)
        if not line.written.done():
            self._failed(f"it was not written within {WRITE_SECONDS:g} seconds")
            return False
        return line.written.result()

    def _forget(self, line: _Line) -> None:
        """Nobody waits for it any more; where it is not under way, it is not written."""
        if not line.written.done():
            with suppress(ValueError):
                self._waiting.remove(line)
                self._bytes -= len(line.data)

    def _write(self) -> asyncio.Task[None]:
        """See that what waits is written. Whoever asks for it may be cancelled, this is not."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._write_all())
        return self._task

    async def _write_all(self) -> None:
        target = self._target
        while target is not None and (self._waiting or self._problem is not None):
            batch = list(self._waiting)
            self._waiting.clear()
            # Also where nothing waits: a disk that was full is asked by a line and not by opening a file.
            resumed = self._resumed()
            first = [self._line(resumed)] if resumed is not None else []
            told = await self._thread.run(partial(target.write_all, [*first, *(line.data for line in batch)]))
            done = max(told.lines - len(first), 0)
            for line in batch[:done]:
                self._bytes -= len(line.data)
                line.settle(written=True)
            if told.problem is not None:
                self._put_back(batch[done:])
                self._failed(told.problem)
                self._retry = asyncio.get_running_loop().call_later(RETRY_SECONDS, self._write)
                return
            if resumed is not None and self._lost == resumed.lost:
                self._problem, self._lost = None, 0
                log_event(_log, logging.INFO, "audit log written again")

    def _put_back(self, unwritten: list[_Line]) -> None:
        """Keep what has happened; what was about to happen does not."""
        every = [*unwritten, *self._waiting]
        self._waiting = deque(line for line in every if not line.needed)
        self._bytes = sum(len(line.data) for line in self._waiting)
        for line in every:
            line.settle(written=False)

    def _resumed(self) -> LogResumed | None:
        if self._problem is None:
            return None
        return LogResumed(since=self._since, reason=self._problem, lost=self._lost)

    def _failed(self, reason: str) -> None:
        if self._problem is None:
            self._since = now()
            log_event(_log, logging.ERROR, "audit log not written: exports are refused until it is", reason=reason)
            self._problem = reason


def _away() -> AuditAway:
    return AuditAway("the audit log cannot be written, so that nothing is exported now; try again later")
