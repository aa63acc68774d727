"""Turns signals into events of a loop, and ends a command that was asked to stop.

Ctrl-C (SIGINT), SIGTERM and SIGHUP ask a command to end. Python runs a signal handler between any two instructions of
the main thread, so a handler must not take a lock that this thread may hold. Here a signal only puts its number into a
pipe (``signal.set_wakeup_fd``), and the loop that reads the pipe acts on it.
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
    """The command stopped because of a signal, and has removed what it had begun.

    Like KeyboardInterrupt it is no ``Exception``: code that handles any failure, such as that of a reader, must not
    handle this one.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        name = signal.Signals(number).name
        super().__init__("interrupted" if number == signal.SIGINT else f"ended by {name}")
        self.number = number
        self.remark = ""
        """What the user should know about the target; added to the message."""


class Event(NamedTuple):
    """What happened while the loop waited.

    Attributes:
        signals: The numbers of the signals, in order.
        reader_left: True when nobody reads the watched pipe any more.
    """

    signals: tuple[int, ...]
    reader_left: bool


class Interrupts:
    """Collects signals while its ``with`` block runs. Only the main thread may use it, since only there Python lets
    signal handlers be set.

    A signal that is ignored when the block begins stays ignored: ``nohup`` and background jobs of scripts rely on it.
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
        """Make :meth:`wait` return; called by other threads."""
        # If the pipe is full, the waiter wakes up anyway; if it is closed, nobody waits.
        with suppress(OSError):
            os.write(self._writing, bytes([WAKE]))

    def wait(self, seconds: float | None, pipe: int | None) -> Event:
        """Wait for a signal, for :meth:`wake`, or until the reader of ``pipe`` closes it.

        Args:
            seconds: The longest wait; with ``None`` there is no limit.
            pipe: The descriptor of a pipe that this process writes to, or ``None``.
        """
        poll = select.poll()
        poll.register(self._reading, select.POLLIN)
        if pipe is not None:
            # No event is requested, because poll(2) always reports an error or a hang-up.
            poll.register(pipe, 0)
        found = dict(poll.poll(None if seconds is None else max(0.0, seconds * 1000)))
        noted = b""
        with suppress(BlockingIOError):
            noted = os.read(self._reading, 4096)
        gone = found.get(pipe, 0) & (select.POLLERR | select.POLLHUP) if pipe is not None else 0
        return Event(tuple(number for number in noted if number in self._before), bool(gone))


@contextmanager
def raising_interrupted() -> Iterator[None]:
    """Raise :class:`Interrupted` at the first signal that asks for an end. Further signals are ignored, so that they do
    not disturb the cleaning up.

    This is for commands without a loop of their own, which only have to stop and remove what they started.
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
    """End this process by the signal that asked for it, so that a shell or a supervisor sees the reason (130 for
    Ctrl-C, 143 for SIGTERM).

    A shell stops its script at Ctrl-C only if the command was really killed by the signal. Exiting with 130 is not
    enough.
    """
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    # Still here: the first process of a container is not killed by a signal that it does not handle.
    os._exit(128 + number)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """The number is already in the pipe."""
