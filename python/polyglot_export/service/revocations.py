"""What runs of callers that are not known any more: where the setting says so, it is ended.

A key may be taken out of the file, or one of its hashes, which is looked at when the file has been read; and it may end
by itself, which is looked at again and again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Never

from polyglot_export.errors import PolyglotError
from polyglot_export.jobs.job import Job
from polyglot_export.service.callers import Caller, Callers
from polyglot_export.service.errors import Revoked
from polyglot_export.service.replicas.active import ActiveRun

__all__ = ["Revocations"]

LOOK_SECONDS = 0.5
"""Between two looks where the file stays as it is."""


class Revocations:
    """Watches over what is done for callers."""

    def __init__(self, callers: Callers, *, end: bool) -> None:
        """Set up.

        Args:
            callers: Who is known.
            end: Whether what runs of others is ended; otherwise what has begun to read goes on to its end.
        """
        self._callers = callers
        self._end = end
        self._changed = asyncio.Event()

    def look(self) -> None:
        """Others may be known by now."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def until_revoked(self, caller: Caller, run: ActiveRun | None = None) -> Never:
        """Wait until a caller is not known any more.

        Args:
            caller: Who was known when the call began.
            run: What is done for it, if it is one: it does not begin to read any more, whatever the setting says.

        Raises:
            Revoked: It is not known.
        """
        await self._until(lambda: self._callers.lapsed(caller), run)

    async def until_owner_revoked(self, run: ActiveRun) -> Never:
        """As :meth:`until_revoked`, for the owner of what runs by itself."""
        await self._until(lambda: self._of_owner(run.job), run)

    async def _until(self, lapsed: Callable[[], str | None], run: ActiveRun | None) -> Never:
        while True:
            changed = self._changed
            matters = self._end or (run is not None and run.progress is None)
            if matters and (reason := lapsed()) is not None:
                raise Revoked(f"the export was ended, since {reason}", audit_reason=reason)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS if matters else None):
                    await changed.wait()

    def _of_owner(self, job: Job) -> str | None:
        try:
            self._callers.rights_of_owner(job)
        except PolyglotError as error:
            return str(error)
        return None
