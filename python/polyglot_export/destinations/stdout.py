"""Standard output as a target: a pipe whose reader may leave, a redirected file, or a terminal."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Self

from polyglot_export.destinations.descriptor import named, pipe_of, write_all
from polyglot_export.errors import TargetFailed

__all__ = ["StdoutSink"]

NAME = "standard output"


class StdoutSink:
    """Writes to standard output, unbuffered: a chunk is with the reader when ``write`` returns.

    What has been written cannot be taken back. A reader has to look at the exit code, as with every program in a pipe.

    Raises:
        TargetFailed: No more was taken. Its ``__cause__`` is a ``BrokenPipeError`` when the reader has left.
    """

    def __init__(self) -> None:
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        # With `>&-` descriptor 1 is free and the next file that is opened gets it, a database connection for example.
        # Python notices that at its start and says so by setting sys.stdout to None.
        if sys.stdout is None:
            raise TargetFailed(f"cannot write {NAME}: it is closed")
        with named(NAME):
            sys.stdout.flush()
            self._descriptor = os.dup(sys.stdout.fileno())
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.discard()

    def write(self, chunk: bytes) -> None:
        """Write a chunk, whole; blocks as long as the reader takes nothing."""
        if self._descriptor is None:
            raise TargetFailed(f"cannot write {NAME}: it is closed")
        with named(NAME):
            write_all(self._descriptor, chunk)

    def commit(self) -> None:
        """Close our copy of the descriptor: file systems over a network report a full disk only then (close(2))."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with named(NAME):
                os.close(descriptor)

    def discard(self) -> None:
        """Close our copy of the descriptor."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)

    def abandon(self) -> None:
        """Do nothing: what a reader has cannot be taken back."""

    def pipe(self) -> int | None:
        """The descriptor when standard output is a pipe."""
        return None if self._descriptor is None else pipe_of(self._descriptor)
