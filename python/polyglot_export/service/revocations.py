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

__all__ = ["Revocations"]

LOOK_SECONDS = 0.5
"""Between two looks where the file stays as it is."""


class Revocations:
    """Watches over what is done for callers."""

    def __init__(self, callers: Callers, *, end: bool) -> None:
        """Set up.

        Args:
            callers: Who is known.
            end: Whether what runs of others is ended; otherwise it goes on to its end.
        """
        self._callers = callers
        self._end = end
        self._changed = asyncio.Event()

    def look(self) -> None:
        """Others may be known by now."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def until_revoked(self, caller: Caller) -> Never:
        """Wait until a caller is not known any more.

        Raises:
            Revoked: It is not.
        """
        await self._until(lambda: self._callers.lapsed(caller))

    async def until_owner_revoked(self, job: Job) -> Never:
        """Wait until the owner of a job is not known any more, which runs by itself.

        Raises:
            Revoked: It is not.
        """
        await self._until(lambda: self._of_owner(job))

    async def _until(self, lapsed: Callable[[], str | None]) -> Never:
        while True:
            changed = self._changed
            if self._end and (reason := lapsed()) is not None:
                raise Revoked(f"the export was ended, since {reason}", audit_reason=reason)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS if self._end else None):
                    await changed.wait()

    def _of_owner(self, job: Job) -> str | None:
        try:
            self._callers.owner_of(job)
        except PolyglotError as error:
            return str(error)
        return None
