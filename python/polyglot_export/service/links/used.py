"""Uses of links: counted before a byte is sent, so that of two clients at a time one gets a link that is for once; and
given back where no byte was.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from datetime import datetime

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from polyglot_export.jobs.job import Job, now
from polyglot_export.jobs.links import with_use, without_use
from polyglot_export.jobs.stores.base import JobStore, StoreAway
from polyglot_export.service.http.connection import EXTENSION, Connection
from polyglot_export.service.links.told import told_by_link
from polyglot_export.service.logs import event
from polyglot_export.service.streams.gated import Gate, GatedResponse

__all__ = ["Use", "UsingResponse", "count_use"]

PAUSES = (0.1, 0.5, 2.0)
"""Seconds after which a use is given back once more where the store was away."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Use:
    """One use that was counted."""

    store: JobStore
    export_id: str
    link_id: str
    at: datetime
    before: datetime | None
    """When the link had been used before."""

    async def give_back(self) -> None:
        """It came to nothing. Where the store stays away the link stays used: twice would be worse than never."""
        for pause in (*PAUSES, None):
            try:
                await self.store.update(self.export_id, self._without)
            except StoreAway as error:
                if pause is None:
                    event(_log, logging.WARNING, "use of a link not given back", link=self.link_id, error=error)
                    return
                await asyncio.sleep(pause)
            else:
                return

    def _without(self, job: Job) -> Job:
        return replace(job, links=without_use(job.links, self.link_id, self.at, self.before))


async def count_use(store: JobStore, job: Job, link_id: str) -> Use | None:
    """Count one.

    Returns:
        The use; ``None`` where there is no such link by now, or where it cannot be used any more.
    """
    at = now()
    counted: list[Use] = []

    def change(job: Job) -> Job:
        links = with_use(job.links, link_id, at)
        counted.clear()
        if links is None:
            return job
        before = next(link.used_at for link in job.links if link.id == link_id)
        counted.append(Use(store, job.id, link_id, at, before))
        return replace(job, links=links)

    await store.update(job.id, change)
    return counted[0] if counted else None


class UsingResponse(Response):
    """An answer that uses a link up, if it begins."""

    def __init__(self, answer: Response, use: Use, gate: Gate) -> None:
        """Set up.

        Args:
            answer: What is sent.
            use: Is given back if nothing was.
            gate: Raises what is answered in its place, if the link does not hold any more when it could begin.
        """
        super().__init__(status_code=answer.status_code)
        self._answer, self._use, self._gate = answer, use, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        connection: Connection = scope["extensions"][EXTENSION]
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            # What is sent to a client that is known to have left reaches nobody.
            begun = begun or not connection.gone
            await send(message)

        try:
            with told_by_link():
                if isinstance(self._answer, GatedResponse):
                    self._answer.gate = self._gate
                else:
                    await self._gate()
                await self._answer(scope, receive, noted)
        finally:
            # Also where the client has left while its download waited for its turn, which is no error.
            if not begun:
                await self._use.give_back()
