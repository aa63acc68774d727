"""A feed of chunks that waits for its turn before it opens its export."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from polyglot_export.errors import Cancelled, InternalError
from polyglot_export.execution.feed import ChunkFeed
from polyglot_export.service.admission.opening import Admitted

if TYPE_CHECKING:
    from polyglot_export.execution.export import Export

__all__ = ["AdmittedFeed"]


class AdmittedFeed:
    """As :class:`~polyglot_export.execution.feed.ChunkFeed`, whose memory and connections come from the budget."""

    def __init__(self, admit: Callable[[], Awaitable[Admitted]]) -> None:
        """Set up; nothing is waited for before :meth:`start`.

        Args:
            admit: Waits for the turn (:meth:`~polyglot_export.service.admission.opening.Admission.admit`).
        """
        self._admit = admit
        self._admitted: Admitted | None = None
        self._feed: ChunkFeed | None = None
        self._cancelled = False

    async def start(self) -> Export:
        """Wait for a turn, then open the export.

        Raises:
            Busy: There was no room in time.
            PolyglotError: What opening it raised.
        """
        if self._cancelled:
            raise Cancelled("the export was cancelled")
        self._admitted = await self._admit()
        self._feed = ChunkFeed(self._admitted.open)
        return await self._feed.start()

    async def next_chunk(self) -> bytes | None:
        """The next chunk, or ``None`` once the export is complete.

        Raises:
            PolyglotError: The export has failed.
        """
        if self._feed is None:
            raise InternalError("a feed must be started before its chunks are taken")
        return await self._feed.next_chunk()

    async def finish(self) -> None:
        """Wait until every connection of a complete export is gone; what its chunks have reserved is held until
        :meth:`aclose`.
        """
        if self._feed is not None:
            await self._feed.aclose()

    def cancel(self) -> None:
        """Stop the export; does not block. Whoever waits in :meth:`start` for a turn has to be cancelled as a task."""
        self._cancelled = True
        if self._feed is not None:
            self._feed.cancel()

    async def aclose(self) -> None:
        """Stop, wait until every connection is gone, and give back what was held. Idempotent."""
        self.cancel()
        try:
            if self._feed is not None:
                await self._feed.aclose()
        finally:
            if self._admitted is not None:
                self._admitted.release()
