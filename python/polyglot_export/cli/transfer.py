"""One export into one destination: a thread moves the bytes, the main thread minds signals, the reader and the progress
bar.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, Protocol

from polyglot_export.cli.signals import Interrupted, Interrupts
from polyglot_export.errors import Cancelled, InternalError, PolyglotError, TargetFailed

if TYPE_CHECKING:
    from polyglot_export._core import Sha256
    from polyglot_export.cancel import CancelToken
    from polyglot_export.destinations.base import Destination
    from polyglot_export.execution.export import Export
    from polyglot_export.execution.run import ExportResult

__all__ = ["Meter", "ReaderLeft", "transfer"]

REDRAW_SECONDS = 0.1
"""How often the progress bar is redrawn."""

GRACE_SECONDS = 5.0
"""How long a cancelled export may take to end. A server that does not answer, or a host that is not there, must not
delay a Ctrl-C for longer."""

PIPE_GRACE_SECONDS = 0.5
"""The same if the target is a pipe. There is no file to remove, and a reader that has stopped reading (``| less``)
blocks the thread that writes."""

Opener = Callable[["CancelToken"], "Export"]


class Meter(Protocol):
    """Shows how far an export is."""

    visible: bool
    """False if nothing is drawn; then the waiting loop need not wake up to draw."""

    def draw(self, export: Export | None) -> None:
        """Draw the state of the export, which is ``None`` while it is being opened."""

    def stop(self) -> None:
        """Remove what was drawn and restore the terminal. It may be called several times."""


class ReaderLeft(Exception):
    """The reader of the pipe closed it before the export was complete."""


class _Worker(threading.Thread):
    """Opens the export and moves its chunks into the place. Ends with ``result`` or ``error`` set."""

    def __init__(self, opener: Opener, place: Destination, hasher: Sha256 | None, wake: Callable[[], None]) -> None:
        super().__init__(name="polyglot-transfer", daemon=True)
        from polyglot_export.cancel import CancelToken

        self.token = CancelToken()
        self.export: Export | None = None
        self.pipe: int | None = None
        self.result: ExportResult | None = None
        self.error: BaseException | None = None
        self.done = False
        self._opener = opener
        self._place = place
        self._hasher = hasher
        self._wake = wake

    def run(self) -> None:
        try:
            with self._place as place:
                self.pipe = place.pipe()
                # Wake the main thread: it does not watch the pipe yet, because it began to wait before.
                self._wake()
                self.result = self._move(place)
                self.pipe = None
                place.commit()
        except BaseException as error:  # noqa: BLE001 - handed to the main thread, which raises it
            self.error = error
        finally:
            self.done = True
            self._wake()

    def _move(self, place: Destination) -> ExportResult:
        """Write all chunks and end the export. The database is released before the disk is synchronised."""
        with self._opener(self.token) as export:
            self.export = export
            while place.take(export, self._hasher) is not None:
                pass
            return export.result()


def transfer(opener: Opener, place: Destination, meter: Meter, hasher: Sha256 | None = None) -> ExportResult:
    """Run an export into a place.

    The first Ctrl-C, SIGTERM or SIGHUP cancels the query in the server and takes the target back; a second one, or a
    server that does not react within five seconds, makes this return at once with a thread that still runs: the caller
    has to end the process (the temporary file is gone).

    Args:
        opener: Opens the export; called in another thread.
        place: Opened and closed here, and committed when the export is complete.
        meter: Shows the progress.
        hasher: Gets the bytes that are written.

    Raises:
        Interrupted: By a signal; nothing was committed.
        ReaderLeft: The pipe was closed by its reader.
        PolyglotError: What the export or the destination raised.
    """
    with Interrupts() as interrupts:
        worker = _Worker(opener, place, hasher, interrupts.wake)
        worker.start()
        try:
            stopped_by, reader_left = _mind(worker, interrupts, place, meter)
        finally:
            meter.stop()
        worker.join()
    if worker.result is not None and worker.error is None:
        return worker.result
    if worker.error is None:
        raise InternalError("the export ended with neither a result nor an error")
    if stopped_by is not None and isinstance(worker.error, PolyglotError):
        raise Interrupted(stopped_by) from worker.error
    if _is_reader_left(worker.error, reader_left):
        raise ReaderLeft from worker.error
    raise worker.error


def _mind(worker: _Worker, interrupts: Interrupts, place: Destination, meter: Meter) -> tuple[int | None, bool]:
    """Wait until the worker is done; gives the signal that stopped it, and whether the reader left."""
    stopped_by: int | None = None
    reader_left = False
    deadline: float | None = None
    while not worker.done:
        event = interrupts.wait(_patience(meter, deadline), None if reader_left else worker.pipe)
        for number in event.signals:
            if stopped_by is not None:
                _give_up(place, number)
            stopped_by = number
        reader_left = reader_left or event.reader_left
        if deadline is None and (stopped_by is not None or reader_left):
            worker.token.cancel()
            place.stop()
            deadline = time.monotonic() + (GRACE_SECONDS if worker.pipe is None else PIPE_GRACE_SECONDS)
        if deadline is not None and time.monotonic() > deadline:
            _give_up(place, stopped_by)
        if meter.visible:
            meter.draw(worker.export)
    return stopped_by, reader_left


def _patience(meter: Meter, deadline: float | None) -> float | None:
    """Seconds until something has to be done even if nothing happens."""
    waits = [REDRAW_SECONDS] if meter.visible else []
    if deadline is not None:
        waits.append(max(0.0, deadline - time.monotonic()) + 0.01)
    return min(waits) if waits else None


def _give_up(place: Destination, number: int | None) -> NoReturn:
    """Leave without waiting for the worker; the process is about to end by this signal.

    The server ends the query when it sees that the connection is gone. ``None`` means that the reader left: nobody is
    to hear of it.
    """
    place.abandon()
    if number is None:
        os._exit(0)
    raise Interrupted(number)


def _is_reader_left(error: BaseException, noticed: bool) -> bool:
    """True when the error is only the consequence of a closed pipe."""
    if isinstance(error, TargetFailed):
        return isinstance(error.__cause__, BrokenPipeError)
    return noticed and isinstance(error, Cancelled)
