"""One object on its way into a store, in parts of a fixed size, of which a few are under way at a time.

obstore's writer does the work. It runs in an event loop of its own thread, since only there a write that waits for the
store can be stopped from outside: a store that has gone silent must not hold a Ctrl-C.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import CancelledError, Future
from contextvars import Context
from typing import TYPE_CHECKING, Any, TypeVarTuple

from polyglot_export.limits import UPLOAD_PART_BYTES, UPLOAD_PARTS

if TYPE_CHECKING:
    from obstore import AsyncWritableFile
    from obstore.store import ObjectStore as Client

__all__ = ["Upload"]

Arguments = TypeVarTuple("Arguments")

CALL_SECONDS = 1.0
LINGER_SECONDS = 0.01
"""Longer than any thread needs to run a few instructions, since Python hands its lock on every 5 ms."""


class Upload:
    """One object; nothing is sent before a part is full or :meth:`finish` is called.

    Every method but :meth:`stop` waits. While one thread writes, another one may stop or abort.

    Args:
        client: obstore's, of the bucket.
        key: Of the object.
        attributes: HTTP headers that the object shall have.

    Raises:
        Exception: What obstore raises, of many classes, from :meth:`write`, :meth:`finish` and :meth:`abort`.
    """

    def __init__(self, client: Client, key: str, attributes: Mapping[str, str]) -> None:
        import obstore

        self._writer: AsyncWritableFile = obstore.open_writer_async(
            client, key, attributes=dict(attributes), buffer_size=UPLOAD_PART_BYTES, max_concurrency=UPLOAD_PARTS
        )
        self._lock = threading.Lock()
        self._running: Future[Any] | None = None
        self._stopped = False
        self._closed = False
        self._aborted = threading.Event()
        self._loop = _Loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="polyglot-upload", daemon=True)
        self._thread.start()

    def write(self, chunk: bytes) -> None:
        """Append a chunk. Waits while as many parts are under way as may be."""
        self._run(lambda: self._writer.write(chunk))

    def finish(self) -> None:
        """Send the rest and let the object appear."""
        self._run(self._writer.close)
        with self._lock:
            is_first, self._closed = not self._closed, True
        if is_first:
            self._aborted.set()
            self._end()

    def stop(self) -> None:
        """Let what another thread waits for fail at once. The upload is still to be aborted."""
        with self._lock:
            self._stopped = True
            if self._running is not None:
                self._running.cancel()

    def abort(self, seconds: float) -> None:
        """Stop what runs, and end the upload; nothing of it stays. Of two threads that call it, the second one only
        waits.

        Args:
            seconds: For how long to wait for the store.

        Raises:
            TimeoutError: It took longer.
        """
        with self._lock:
            is_first = not self._closed
            self._closed = True
        if is_first:
            try:
                self._abort(seconds)
            finally:
                self._aborted.set()
        elif not self._aborted.wait(seconds):
            raise TimeoutError("the store does not answer")

    def _abort(self, seconds: float) -> None:
        self.stop()
        error = KeyboardInterrupt("the upload is aborted")
        # Leaving obstore's writer by an exception ends the upload; dropping it would leave the parts in the store.
        aborting = asyncio.run_coroutine_threadsafe(
            _awaited(lambda: self._writer.__aexit__(type(error), error, None)), self._loop
        )
        try:
            aborting.result(seconds)
        except TimeoutError:
            # The thread stays: obstore still wants to tell its loop what became of the request.
            raise TimeoutError("the store does not answer") from None
        except BaseException:
            self._end()
            raise
        self._end()

    def _run(self, make: Callable[[], Awaitable[Any]]) -> None:
        with self._lock:
            if self._stopped or self._closed:
                raise CancelledError
            self._running = running = asyncio.run_coroutine_threadsafe(_awaited(make), self._loop)
        running.result()

    def _end(self) -> None:
        """Stop the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.wait_for_calls()
        self._loop.close()


class _Loop(asyncio.SelectorEventLoop):
    """A loop that knows when nobody tells it anything any more.

    obstore's threads tell it what became of a request. One that waits for Python's lock while the interpreter ends is
    ended by it, and CPython before 3.14 does so by pthread_exit, which a frame of Rust answers by aborting the process:
    an upload that is complete would end with SIGABRT.
    """

    def __init__(self) -> None:
        super().__init__()
        self._calls = 0
        self._changed = threading.Condition()
        _linger_at_exit()

    def call_soon_threadsafe(
        self, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.Handle:
        """As asyncio's."""
        with self._changed:
            self._calls += 1
        try:
            return super().call_soon_threadsafe(callback, *args, context=context)
        finally:
            with self._changed:
                self._calls -= 1
                self._changed.notify_all()

    def wait_for_calls(self) -> None:
        """Wait until no thread is in :meth:`call_soon_threadsafe`, where each is for a moment only."""
        with self._changed:
            self._changed.wait_for(lambda: not self._calls, CALL_SECONDS)


@functools.cache
def _linger_at_exit() -> None:
    """Give a thread that has just told its loop something the time to leave Python."""
    atexit.register(time.sleep, LINGER_SECONDS)


async def _awaited(make: Callable[[], Awaitable[Any]]) -> None:
    """The futures of obstore belong to the loop in which they are made."""
    await make()
