"""Reads one file of a set to its end: its digest and its rows, in memory that does not depend on its size."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from polyglot_export import _core
from polyglot_export.cancel import CancelToken
from polyglot_export.destinations.store import Store
from polyglot_export.errors import Cancelled, MalformedData
from polyglot_export.limits import VERIFY_READ_BYTES

__all__ = ["Content", "read_content"]


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds."""

    bytes: int
    sha256: str
    rows: int | None
    malformed: str = ""
    """Why its rows could not be counted."""


def read_content(
    place: Store,
    path: str,
    size: int,
    counter: _core.RowCounter,
    *,
    helpers: Executor,
    token: CancelToken,
    on_bytes: Callable[[int], None],
) -> Content:
    """Read a file.

    Args:
        place: Where it is.
        path: Its path in there.
        size: Its bytes.
        counter: Counts the rows of its format.
        helpers: Threads that read ahead and hash while this one counts; two for each file that is read at a time.
        token: Ends the reading.
        on_bytes: Called with the size of each piece that was read.

    Raises:
        TargetFailed: It cannot be read.
        Cancelled: By the token.
    """
    counting = _Counting(counter)
    counting.look(place, path, size)
    hasher = hashlib.sha256()
    position = 0
    ahead: Future[bytes] | None = _read(helpers, place, path, position, size)
    while ahead is not None:
        chunk = ahead.result()
        if token.cancelled:
            raise Cancelled("the check was cancelled")
        position += len(chunk)
        # A file that became shorter meanwhile ends early.
        ahead = _read(helpers, place, path, position, size) if chunk else None
        hashing = helpers.submit(hasher.update, chunk)
        counting.update(chunk)
        hashing.result()
        on_bytes(len(chunk))
    rows, malformed = counting.finish()
    return Content(position, hasher.hexdigest(), rows, malformed)


def _read(helpers: Executor, place: Store, path: str, position: int, size: int) -> Future[bytes] | None:
    length = min(VERIFY_READ_BYTES, size - position)
    return helpers.submit(place.read, path, position, length) if length > 0 else None


class _Counting:
    """A counter that gives up at the first thing that is wrong: the digest of the whole file is told all the same."""

    def __init__(self, counter: _core.RowCounter) -> None:
        self._counter: _core.RowCounter | None = counter
        self._malformed = ""

    def look(self, place: Store, path: str, size: int) -> None:
        """Give it what it wants to see first."""
        counter = self._counter
        try:
            while counter is not None and (wanted := counter.wants(size)) is not None:
                counter.look(place.read(path, *wanted))
        except MalformedData as error:
            self._give_up(error)

    def update(self, chunk: bytes) -> None:
        """Count on."""
        try:
            if self._counter is not None:
                self._counter.update(chunk)
        except MalformedData as error:
            self._give_up(error)

    def finish(self) -> tuple[int | None, str]:
        """The rows, or why there is no number of them."""
        try:
            if self._counter is not None:
                return self._counter.finish(), ""
        except MalformedData as error:
            self._give_up(error)
        return None, self._malformed

    def _give_up(self, error: MalformedData) -> None:
        self._counter = None
        self._malformed = error.message
