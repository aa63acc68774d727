"""The memory of a worker's process: tasks of one process are threads of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from polyglot_export.cancel import CancelToken
from polyglot_export.errors import Cancelled
from polyglot_export.limits import DUMP_BYTES

__all__ = ["ROOM", "Room"]


class Room:
    """Bytes that parts take while they are written. A part that needs more than there are is written alone."""

    def __init__(self, bytes_: int = DUMP_BYTES) -> None:
        self._bytes = bytes_
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, bytes_: int, token: CancelToken) -> Iterator[None]:
        """Wait until there is room, and hold it for the block.

        Raises:
            Cancelled: The token was cancelled meanwhile.
        """
        forget = token.on_cancel(self._wake)
        try:
            with self._changed:
                self._changed.wait_for(lambda: token.cancelled or self._fits(bytes_))
                if token.cancelled:
                    raise Cancelled("the part was cancelled")
                self._taken += bytes_
        finally:
            forget()
        try:
            yield
        finally:
            with self._changed:
                self._taken -= bytes_
                self._changed.notify_all()

    def _fits(self, bytes_: int) -> bool:
        return not self._taken or self._taken + bytes_ <= self._bytes

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


ROOM = Room()
