"""Writing to a file descriptor: whole chunks, and errors that name the target."""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from polyglot_export.errors import TargetFailed

__all__ = ["named", "pipe_of", "write_all"]


@contextmanager
def named(target: str, doing: str = "cannot write") -> Iterator[None]:
    """Turn an ``OSError`` of the block into a ``TargetFailed`` that names the target and gives the system's reason.

    Args:
        target: The name as the user wrote it.
        doing: What failed, as the beginning of the sentence.
    """
    try:
        yield
    except OSError as error:
        raise TargetFailed(f"{doing} {target}: {error.strerror or error}") from error


def write_all(descriptor: int, chunk: bytes) -> None:
    """Write a chunk to its last byte.

    A pipe may take only a part of it, and one that another program has made non-blocking may take none for now.

    Raises:
        OSError: What the system said, ``ENOSPC`` say.
    """
    rest = memoryview(chunk)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            select.select((), (descriptor,), ())


def pipe_of(descriptor: int) -> int | None:
    """The descriptor when a reader at its other end may leave (a pipe, FIFO or socket)."""
    mode = os.fstat(descriptor).st_mode
    return descriptor if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None
