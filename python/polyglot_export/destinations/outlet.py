"""A descriptor that is open for writing, by Python or by the core."""

from __future__ import annotations

import os
import select
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polyglot_export._core import Sha256, Writer
    from polyglot_export.destinations.base import Chunks

__all__ = ["Outlet", "write_all"]

WRITEBACK_BYTES = 8 << 20
"""A file's bytes are sent to the disk whenever so many are new. Linux would leave half a gigabyte in memory until fsync
asks for it at the end, while the disk has nothing to do."""


def write_all(descriptor: int, chunk: bytes) -> None:
    """Write all bytes of a chunk.

    A pipe may take only a part of it, and one that another program has made non-blocking may take none for now.

    Raises:
        OSError: The error of the system, such as ``ENOSPC``.
    """
    rest = memoryview(chunk)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            # Not select(), which takes no descriptor from 1024 on.
            waiting = select.poll()
            waiting.register(descriptor, select.POLLOUT)
            waiting.poll()


class Outlet:
    """An open descriptor, and what was written to it.

    Args:
        descriptor: Open for writing; closed by :meth:`close`.
        stays: Whether the bytes stay on a disk, which can begin with them before the last one is there.

    Raises:
        OSError: With the system's reason, from every method.
    """

    def __init__(self, descriptor: int, *, stays: bool) -> None:
        self.descriptor = descriptor
        self._stays = stays and hasattr(os, "posix_fadvise")
        self._writer: Writer | None = None
        self._written = 0
        self._sent = 0

    def write(self, chunk: bytes) -> None:
        """Append a chunk. Returns when all of it is written."""
        write_all(self.descriptor, chunk)
        self._count(len(chunk))

    def take(self, chunks: Chunks, hasher: Sha256 | None) -> int | None:
        """Let the core append the next chunk from its own buffer; gives its bytes, and ``None`` where there is none.

        Raises:
            PolyglotError: What the export raised.
        """
        if self._writer is None:
            from polyglot_export import _core

            self._writer = _core.Writer(self.descriptor)
        written = chunks.write_chunk(self._writer, hasher)
        if written is not None:
            self._count(written)
        return written

    def close(self) -> None:
        """Close the descriptor. Network file systems report a full disk only at this point (close(2)), and once: to who
        closes first.
        """
        try:
            os.close(self.descriptor)
        finally:
            if self._writer is not None:
                self._writer.close()

    def _count(self, size: int) -> None:
        """Let the disk begin with what is new: POSIX_FADV_DONTNEED starts writing it, without waiting (Linux,
        ``mm/fadvise.c``); what is not written yet stays in memory.
        """
        self._written += size
        if self._stays and self._written - self._sent >= WRITEBACK_BYTES:
            with suppress(OSError):
                os.posix_fadvise(self.descriptor, self._sent, self._written - self._sent, os.POSIX_FADV_DONTNEED)
            self._sent = self._written
