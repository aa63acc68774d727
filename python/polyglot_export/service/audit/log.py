"""Writing the audit log: before the bytes leave, off the event loop, and with an end to every wait.

What must be told before something happens is written first, and where it cannot be, that does not happen. What tells of
something that has happened is kept until it can be written, and until then nothing new begins.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from polyglot_export.jobs.clock import now
from polyglot_export.service.audit.events import AuditEvent
from polyglot_export.service.audit.lines import line_of
from polyglot_export.service.audit.target import AuditTarget
from polyglot_export.service.errors import AuditAway
from polyglot_export.service.logs import event as log_event

__all__ = ["AuditLog"]

_log = logging.getLogger(__name__)

WRITE_SECONDS: Final = 5.0
"""After which a line counts as not written: a network drive may hang for ever."""
MAX_KEPT: Final = 200
"""Lines of what has happened that are kept while they cannot be written, of 16 kB at most."""
MAX_WAITING: Final = 256
"""Lines that wait for the thread; beyond it the log counts as away."""


class AuditLog:
    """The log of one process. Methods belong to the thread of the event loop.

    Memory:
        :data:`MAX_KEPT` and :data:`MAX_WAITING` lines.
    """

    def __init__(self, target: AuditTarget | None, replica: str | None = None) -> None:
        """Set up.

        Args:
            target: Where lines go; ``None`` for no audit log, and then nothing is ever refused.
            replica: The name of this process where there are several.
        """
        self._target = target
        self._replica = replica
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="polyglot-audit") if target is not None else None
        self._kept: deque[bytes] = deque()
        self._waiting = 0
        self._turn = asyncio.Lock()
        self._running: asyncio.Future[int] | None = None
        self._problem: str | None = None

    @property
    def used(self) -> bool:
        """Whether there is one."""
        return self._target is not None

    async def check(self) -> None:
        """Return if the log can be written, as far as is known: after a failure it is tried again.

        Raises:
            AuditAway: It cannot.
        """
        if self._problem is not None or self._kept:
            await self._write([])

    async def must(self, event: AuditEvent) -> None:
        """Write what is about to happen.

        Raises:
            AuditAway: It is not written, so it must not happen.
        """
        if self._target is None:
            return
        await self._write([line_of(event, now(), self._replica)])

    async def tell(self, event: AuditEvent) -> None:
        """Write what has happened, now or as soon as that is possible."""
        if self._target is None:
            return
        self._keep(line_of(event, now(), self._replica))
        with suppress(AuditAway):
            # Its caller may be cancelled; what has happened is told all the same.
            await asyncio.shield(asyncio.ensure_future(self._write([])))

    def reopen(self) -> None:
        """The file was renamed: the next line goes into a new one."""
        if self._target is not None and self._thread is not None:
            self._thread.submit(self._target.reopen)

    async def close(self) -> None:
        """Write what is kept, if that can be, and close."""
        if self._target is None or self._thread is None:
            return
        with suppress(AuditAway):
            await self._write([])
        if self._kept:
            log_event(_log, logging.ERROR, "lines of the audit log lost", lines=len(self._kept))
        self._thread.shutdown(wait=False)
        self._target.close()

    def _keep(self, line: bytes) -> None:
        if len(self._kept) >= MAX_KEPT:
            self._kept.popleft()
            log_event(_log, logging.ERROR, "line of the audit log lost")
        self._kept.append(line)

    async def _write(self, lines: list[bytes]) -> None:
        """Write what is kept, and these lines behind it.

        Raises:
            AuditAway: Not all of it is written.
        """
        if self._waiting >= MAX_WAITING:
            raise _away()
        self._waiting += 1
        try:
            async with asyncio.timeout(WRITE_SECONDS), self._turn:
                kept = list(self._kept)
                written = await self._in_thread([*kept, *lines])
                for line in kept[:written]:
                    # Others may have been dropped meanwhile.
                    if self._kept and self._kept[0] is line:
                        self._kept.popleft()
        except TimeoutError:
            self._failed(f"it was not written within {WRITE_SECONDS:g} seconds")
            raise _away() from None
        finally:
            self._waiting -= 1
        if written < len(kept) + len(lines) or self._problem is not None:
            raise _away()

    async def _in_thread(self, lines: list[bytes]) -> int:
        if self._running is not None and not self._running.done():
            # The thread still hangs in a write that nobody waits for any more.
            raise TimeoutError
        self._running = asyncio.get_running_loop().run_in_executor(self._thread, self._written, lines)
        return await asyncio.shield(self._running)

    def _written(self, lines: list[bytes]) -> int:
        """How many of the lines were written; in the thread."""
        target = self._target
        if target is None:
            return len(lines)
        written = 0
        try:
            target.open()
            for line in lines:
                target.write(line)
                written += 1
        except OSError as error:
            self._failed(error.strerror or str(error))
            return written
        if self._problem is not None:
            self._problem = None
            log_event(_log, logging.INFO, "audit log written again")
        return len(lines)

    def _failed(self, reason: str) -> None:
        if self._problem is None:
            log_event(_log, logging.ERROR, "audit log not written: exports are refused until it is", reason=reason)
        self._problem = reason


def _away() -> AuditAway:
    return AuditAway("the audit log cannot be written, so that nothing is exported now; try again later")
