"""When one replica reads its configuration again, all do.

Whoever has read it leaves a mark in the store, which every replica sees with its next beat. A mark that is not known
means that somebody has read a file that may be newer than what is known here. The mark has the digest of that file.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from typing import Any

from polyglot_export.jobs.stores.base import SharedJobStore, StoreAway

__all__ = ["FollowedReloads"]


class FollowedReloads:
    """The marks that this replica leaves and sees. All methods belong to the event loop's thread."""

    def __init__(self, store: SharedJobStore, reload: Callable[[str], Coroutine[Any, Any, object]] | None) -> None:
        """Set up.

        Args:
            store: Where the marks are.
            reload: Reads the configuration again, which had this digest elsewhere; ``None`` where nobody does.
        """
        self._store = store
        self._reload = reload
        self._known = ""
        self._to_announce: str | None = None
        self._tasks: set[asyncio.Task[object]] = set()

    def announce(self, digest: str) -> None:
        """Leave a mark with the next beat; while the store is away, with the first one after that.

        Args:
            digest: Of the file that was read here.
        """
        self._to_announce = digest

    async def follow(self, seen: str) -> None:
        """Leave the mark that is to be left, and read the configuration again where another replica has left one.

        Args:
            seen: The mark that is in the store.

        Raises:
            StoreAway: The mark could not be left; it will be.
        """
        mark = seen
        digest = self._to_announce
        if digest is not None:
            mark = f"{secrets.token_hex(8)}.{digest}"
            # Before it is left: the file may be changed again meanwhile.
            self._to_announce = None
            try:
                # What others have left by then may stand for a newer file than the one that was read here.
                seen = await self._store.leave_mark(mark)
            except StoreAway:
                self._announce_again(digest)
                raise
        unknown = bool(seen) and seen != self._known
        self._known = mark
        if unknown and self._reload is not None:
            task = asyncio.create_task(self._reload(seen.partition(".")[2]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _announce_again(self, digest: str) -> None:
        if self._to_announce is None:
            self._to_announce = digest

    async def close(self) -> None:
        """End what is being read."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
