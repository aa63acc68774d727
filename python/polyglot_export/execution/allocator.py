"""glibc's allocator, set up for a process of ours: a service gives memory back, a command that does one export keeps
it.

Only processes that are ours are touched, never one that uses the library. Other C libraries are left as they are.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes

__all__ = ["Trimmer", "give_back", "keep"]

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8
"""Parameters of mallopt(3)."""
ARENAS = 2
"""Heaps that all threads share: workers use few and large blocks, so they seldom wait for each other."""
MMAP_BYTES = 1 << 20
"""Blocks from this size on are mapped alone and go back when they are freed. Setting it also ends glibc's habit of
raising it to the largest block that was ever freed."""
KEPT_BLOCK_BYTES = 4 << 20
"""A command's blocks up to this size stay in its heaps: the chunks and pages of an export come and go in the same sizes
…"""
KEPT_FREE_BYTES = 16 << 20
"""… and up to so much free memory stays at the end of a heap. Without the two, half of the page faults of an export are
for memory that was there a moment ago: a twentieth of the time of a wide table to Parquet."""
TRIM_SECONDS = 1.0
"""Time after an export has ended in which the ends of others are waited for, to trim once for all of them."""


def give_back() -> None:
    """For a service, which lives next to a hard limit; to be called before there are threads.

    Without this each thread gets a heap of its own, up to eight a CPU, and what one of them has freed stays there.
    """
    libc = _glibc()
    if libc is not None:
        libc.mallopt(M_ARENA_MAX, ARENAS)
        libc.mallopt(M_MMAP_THRESHOLD, MMAP_BYTES)


def keep() -> None:
    """For a process that does one export and ends; at any time."""
    libc = _glibc()
    if libc is not None:
        libc.mallopt(M_MMAP_THRESHOLD, KEPT_BLOCK_BYTES)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT_FREE_BYTES)


class Trimmer:
    """Gives freed memory back to the system a moment after exports have ended."""

    def __init__(self) -> None:
        self._libc = _glibc()
        self._lock = threading.Lock()
        self._planned = False

    def plan(self) -> None:
        """Trim soon, in a thread of its own: a trim of 100 MB takes some milliseconds. From any thread; does not
        block.
        """
        with self._lock:
            if self._libc is None or self._planned:
                return
            self._planned = True
        timer = threading.Timer(TRIM_SECONDS, self._trim, [self._libc])
        timer.daemon = True
        timer.start()

    def _trim(self, libc: ctypes.CDLL) -> None:
        with self._lock:
            self._planned = False
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    import ctypes

    libc = ctypes.CDLL(None)
    # musl has neither; its allocator gives memory back by itself.
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
