"""Pulls an export in a thread of its own, for a consumer in an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from polyglot_export.cancel import CancelToken
from polyglot_export.errors import Cancelled, InternalError, free_frames
from polyglot_export.execution.export import Export

__all__ = ["QUEUE_DEPTH", "ChunkFeed"]

QUEUE_DEPTH = 2
"""How many chunks may wait for the consumer: one is taken while the next one is made. More would only cost memory."""


class _Wakeup:
    """Lets the thread wake tasks of the loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self.finished = asyncio.Event()

    async def change(self) -> None:
        """Wait until the thread has something new."""
        await self._changed.wait()
        self._changed.clear()

    def changed(self) -> None:
        """Called by the thread when there is something new."""
        self._set(self._changed)

    def done(self) -> None:
        """From the thread: it ends, and the export is closed."""
        self._set(self._changed)
        self._set(self.finished)

    def _set(self, event: asyncio.Event) -> None:
        # The loop may be closed by now; then nobody waits.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(event.set)


class ChunkFeed:
    """Pulls an export in a thread of its own.

    Memory:
        ``depth`` chunks, and what the export itself holds.
    """

    def __init__(self, opener: Callable[[CancelToken], Export], depth: int = QUEUE_DEPTH) -> None:
        """Set up; the thread starts with :meth:`start`.

        Args:
            opener: Opens the export. It is called in the thread, and must stop when the token is cancelled.
            depth: How many chunks may wait.
        """
        self._opener = opener
        self._depth = depth
        self._token = CancelToken()
        self._room = threading.Condition()
        self._chunks: deque[bytes] = deque()
        self._stopping = False
        self._export: Export | None = None
        self._error: BaseException | None = None
        self._ended = False
        self._wakeup: _Wakeup | None = None
        self._thread: threading.Thread | None = None
        # An export that ends by itself, since nobody takes its chunks, also ends the thread that waits to hand them on.
        self._token.on_cancel(self._stop)

    async def start(self) -> Export:
        """Open the export in the thread and wait for it.

        Returns:
            The export, for its plan and progress; its chunks come from :meth:`next_chunk` only.

        Raises:
            PolyglotError: What opening it raised.
        """
        if self._wakeup is not None:
            raise InternalError("a feed is started once")
        if self._stopping:
            raise Cancelled("the export was cancelled")
        self._wakeup = _Wakeup()
        self._thread = threading.Thread(target=self._run, args=(self._wakeup,), name="polyglot-feed", daemon=True)
        self._thread.start()
        while self._export is None:
            if self._error is not None:
                raise self._error
            await self._wakeup.change()
        return self._export

    async def next_chunk(self) -> bytes | None:
        """The next chunk, or ``None`` once the export is complete.

        Raises:
            PolyglotError: The export has failed. Chunks that were waiting are dropped.
        """
        if self._wakeup is None:
            raise InternalError("a feed must be started before its chunks are taken")
        while True:
            with self._room:
                if self._error is not None:
                    raise self._error
                if self._chunks:
                    chunk = self._chunks.popleft()
                    self._room.notify()
                    return chunk
                if self._ended:
                    return None
            await self._wakeup.change()

    def cancel(self) -> None:
        """Stop the export, even while it is being opened. May be called from any thread; does not block."""
        self._token.cancel()

    @property
    def running(self) -> bool:
        """Whether the thread has started and still holds the export."""
        return self._wakeup is not None and not self._ended and self._error is None

    async def aclose(self) -> None:
        """Stop the export, and wait until the thread has ended and every connection is closed. May be called again."""
        self.cancel()
        if self._wakeup is not None and self._thread is not None:
            await self._wakeup.finished.wait()
            self._thread.join()  # that was its last act

    def _run(self, wakeup: _Wakeup) -> None:
        try:
            self._pull(wakeup)
        except BaseException as error:  # noqa: BLE001 - handed to the task that waits
            free_frames(error)
            with self._room:
                self._error = error
                self._chunks.clear()
        wakeup.done()

    def _pull(self, wakeup: _Wakeup) -> None:
        with self._opener(self._token) as export:
            self._export = export
            wakeup.changed()
            while (chunk := export.next_chunk()) is not None:
                self._put(chunk, export)
                # Let go of the chunk: it must not stay in memory while the next one is made.
                chunk = None
                wakeup.changed()
        with self._room:
            self._ended = True

    def _stop(self) -> None:
        with self._room:
            self._stopping = True
            self._room.notify()

    def _put(self, chunk: bytes, export: Export) -> None:
        """Wait until there is room for a chunk, or the consumer has left."""
        with self._room:
            while len(self._chunks) >= self._depth and not self._stopping:
                self._room.wait()
            if self._stopping:
                raise export.failure or Cancelled("the export was cancelled")
            self._chunks.append(chunk)
