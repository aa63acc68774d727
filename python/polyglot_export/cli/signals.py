"""Signals as events of a loop, and how a command ends that was asked to stop.

Ctrl-C (SIGINT), SIGTERM and SIGHUP ask for an end. A Python signal handler runs in the middle of anything, where it may
take no lock; here a signal only puts its number into a pipe (``signal.set_wakeup_fd``), and the loop that reads the
pipe acts on it.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import NamedTuple, NoReturn, Self

__all__ = ["Event", "Interrupted", "Interrupts", "die_by", "raising_interrupted"]

ASKING_TO_END = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if hasattr(signal, name)  # Windows has no SIGHUP
)
WAKE = 0
"""No signal has this number."""


class Interrupted(BaseException):
    """The command stopped because of a signal, and what could be taken back has been taken back.

    As with KeyboardInterrupt, code that makes something of any failure (a file that cannot be read back) must not take
    it for one.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        name = signal.Signals(number).name
        super().__init__("interrupted" if number == signal.SIGINT else f"ended by {name}")
        self.number = number
        self.remark = ""
        """What this means for the target, for the user."""


class Event(NamedTuple):
    """What happened while the loop waited.

    Attributes:
        signals: The numbers of the signals, in order.
        reader_left: True when nobody reads the watched pipe any more.
    """

    signals: tuple[int, ...]
    reader_left: bool


class Interrupts:
    """Collects signals while its ``with`` block runs. For the main thread only, as Python demands of signal handlers.

    A signal that is ignored stays ignored (``nohup``, a background job of a script).
    """

    def __init__(self) -> None:
        self._before: dict[signal.Signals, signal.Handlers | int | None] = {}

    def __enter__(self) -> Self:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)
        self._wakeup_before = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        for number in ASKING_TO_END:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, _do_nothing)  # type: ignore[assignment]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._reading)
        os.close(self._writing)

    def wake(self) -> None:
        """Make :meth:`wait` return; for other threads."""
        # A full pipe wakes as well, and nobody waits at one that is closed.
        with suppress(OSError):
            os.write(self._writing, bytes([WAKE]))

    def wait(self, seconds: float | None, pipe: int | None) -> Event:
        """Wait for a signal, :meth:`wake` or the reader of ``pipe`` to leave.

        Args:
            seconds: The longest wait; ``None`` waits without an end.
            pipe: A descriptor that is written to, or ``None``.
        """
        poll = select.poll()
        poll.register(self._reading, select.POLLIN)
        if pipe is not None:
            # No event is asked for: an error condition is always reported (poll(2)).
            poll.register(pipe, 0)
        found = dict(poll.poll(None if seconds is None else max(0.0, seconds * 1000)))
        noted = b""
        with suppress(BlockingIOError):
            noted = os.read(self._reading, 4096)
        gone = found.get(pipe, 0) & (select.POLLERR | select.POLLHUP) if pipe is not None else 0
        return Event(tuple(number for number in noted if number in self._before), bool(gone))


@contextmanager
def raising_interrupted() -> Iterator[None]:
    """Signals that ask for the end raise :class:`Interrupted` once; a second one does not disturb the cleaning up.

    For commands that have no loop and only have to take back what they started.
    """
    caught = [number for number in ASKING_TO_END if signal.getsignal(number) is not signal.SIG_IGN]

    def stop(number: int, _: FrameType | None) -> None:
        for other in caught:
            signal.signal(other, signal.SIG_IGN)
        raise Interrupted(number)

    before = {number: signal.signal(number, stop) for number in caught}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def die_by(number: int) -> NoReturn:
    """End this process by the signal that asked for it, so that a shell or supervisor sees why (130 for Ctrl-C, 143 for
    SIGTERM).

    A shell script stops at Ctrl-C only if the command it ran died of the signal; an exit code of 130 would not do.
    """
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    # Process 1 of a container does not die of a signal.
    os._exit(128 + number)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """The number is already in the pipe."""
