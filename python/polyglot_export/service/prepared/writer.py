"""One thread that runs an export into a file of the spool.

The thread pulls, hashes and writes; the event loop only waits for it. Handing each chunk over to the loop would cost
more than the file does.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from polyglot_export.cancel import CancelToken
from polyglot_export.errors import free_frames
from polyglot_export.execution.export import Export
from polyglot_export.service.prepared.spool import SpoolFile
from polyglot_export.service.replicas.active import ActiveRun

__all__ = ["FileWriter", "Opener", "Written"]

Opener = Callable[[CancelToken], Export]
"""Opens an export in the thread that will pull it; obeys the token."""


@dataclass(frozen=True, slots=True)
class Written:
    """A complete file."""

    size: int
    sha256: str
    rows: int
    stamp: str | None


class FileWriter:
    """Writes one file, once.

    Memory:
        The chunk that is being written; those before it are the export's.
    """

    def __init__(self, opener: Opener, target: SpoolFile, active: ActiveRun) -> None:
        """Set up; nothing runs before :meth:`write`.

        Args:
            opener: Opens the export.
            target: Not entered yet.
            active: The run, which is told how far it is.
        """
        self._opener = opener
        self._target = target
        self._active = active
        self._token = CancelToken()
        self._loop = asyncio.get_running_loop()
        self._outcome: Future[Written] = Future()

    async def write(self) -> Written:
        """Write the file and wait for it.

        When the task is cancelled, the queries are cancelled in the server and the thread has ended before this
        returns. A file that was complete by then is complete.

        Raises:
            PolyglotError: The export or the spool failed; nothing is left of the file.
        """
        threading.Thread(target=self._run, name="polyglot-file", daemon=True).start()
        outcome = asyncio.wrap_future(self._outcome)
        try:
            return await asyncio.shield(outcome)
        except asyncio.CancelledError:
            self._token.cancel()
            await asyncio.wait({outcome})
            if outcome.exception() is None:
                return outcome.result()
            raise

    def _run(self) -> None:
        try:
            self._outcome.set_result(self._write())
        except BaseException as error:  # noqa: BLE001 - handed to the task that waits
            free_frames(error)
            self._outcome.set_exception(error)

    def _write(self) -> Written:
        with self._target as target:
            with self._opener(self._token) as export:
                self._loop.call_soon_threadsafe(self._opened, export)
                while (chunk := export.next_chunk()) is not None:
                    target.write(chunk)
                    self._active.bytes = target.size
            # The database is let go before the disk is waited for.
            digest = target.commit()
            return Written(target.size, digest, export.result().rows, target.stamp)

    def _opened(self, export: Export) -> None:
        self._active.progress = export.progress
        self._active.snapshot = export.snapshot
