"""Places for the exports of callers that may run only so many at a time, in all replicas together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from dataclasses import dataclass

from polyglot_export.jobs.stores.base import StoreAway
from polyglot_export.jobs.stores.ledger import Ledger
from polyglot_export.service.logs import event
from polyglot_export.service.quotas.refused import Refusals

__all__ = ["Place", "Places"]

_log = logging.getLogger(__name__)

KEPT_SECONDS = 20.0
"""How long a place is kept without a sign of its replica, which may have ended."""
RENEW_SECONDS = 5.0
"""Between two signs."""
LEAVING_SECONDS = 0.1
"""Pause before the second and last try of a download: who has just read the end of another one, from a replica beside
this, must find its place free."""
POLL_SECONDS = 0.5
"""Between two tries of what waits in the background."""


@dataclass(frozen=True, slots=True)
class Place:
    """One that is taken."""

    owner: str
    ticket: str


class Places:
    """Gives and takes them; all methods belong to the event loop's thread."""

    def __init__(self, ledger: Ledger, refusals: Refusals) -> None:
        """Set up.

        Args:
            ledger: Where they are counted.
            refusals: Makes the errors.
        """
        self._ledger = ledger
        self.refusals = refusals
        self._held: dict[str, set[str]] = {}
        """Tickets by owner."""
        self._leaving: set[asyncio.Task[None]] = set()
        self._renewing: asyncio.Task[None] | None = None

    async def take(self, owner: str | None, most: int | None, *, wait: bool) -> Place | None:
        """A place for an export.

        Args:
            owner: Who wants it.
            most: How many it may have; ``None`` for any number, which nobody counts.
            wait: Whether to wait for as long as it takes.

        Returns:
            To be given back; ``None`` where none is needed.

        Raises:
            TooManyRequests: All are taken, and there is no waiting.
        """
        if owner is None or most is None:
            return None
        ticket = uuid.uuid4().hex
        tries = 0
        while not await self._enter(owner, ticket, most):
            tries += 1
            if not wait and tries > 1:
                raise self.refusals.of(
                    "exports", f"{most} exports may run at a time, and {most} run; try again when one has ended"
                )
            await asyncio.sleep(POLL_SECONDS if wait else LEAVING_SECONDS)
        return Place(owner, ticket)

    def leave(self, place: Place | None) -> None:
        """Give a place back; does not wait."""
        if place is None:
            return
        tickets = self._held.get(place.owner, set())
        if place.ticket not in tickets:
            return
        tickets.discard(place.ticket)
        if not tickets:
            del self._held[place.owner]
        self._begin_to_leave(place)

    async def close(self) -> None:
        """Wait until all that were given back are free for other replicas."""
        if self._renewing is not None:
            self._renewing.cancel()
        if self._leaving:
            await asyncio.wait(self._leaving)

    async def _enter(self, owner: str, ticket: str, most: int) -> bool:
        if self._leaving:
            await asyncio.wait(set(self._leaving))
        place = Place(owner, ticket)
        try:
            entered = await self._ledger.enter(owner, ticket, most, KEPT_SECONDS)
        except asyncio.CancelledError:
            # It may have been taken all the same.
            self._begin_to_leave(place)
            raise
        if entered:
            self._held.setdefault(owner, set()).add(ticket)
            if self._renewing is None or self._renewing.done():
                self._renewing = asyncio.create_task(self._keep())
        return entered

    def _begin_to_leave(self, place: Place) -> None:
        task = asyncio.create_task(self._leave(place))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _leave(self, place: Place) -> None:
        # Where the store is away, the place ends by itself.
        with contextlib.suppress(StoreAway):
            await self._ledger.leave(place.owner, place.ticket)

    async def _keep(self) -> None:
        """Renew as long as something is held."""
        while self._held:
            await asyncio.sleep(RENEW_SECONDS)
            for owner, tickets in list(self._held.items()):
                try:
                    await self._ledger.renew(owner, tuple(tickets), KEPT_SECONDS)
                except StoreAway as error:
                    event(_log, logging.WARNING, "places of exports not renewed", reason=str(error))
