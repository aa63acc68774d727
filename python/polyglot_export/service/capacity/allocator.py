"""glibc's allocator, told to give memory back: the process lives next to a hard limit.

Without this each thread gets a heap of its own, up to eight a CPU, and what one of them has freed stays there. Other C
libraries are left as they are.
"""

from __future__ import annotations

import ctypes
import sys
import threading

__all__ = ["Trimmer", "tune"]

M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8
"""Parameters of mallopt(3)."""
ARENAS = 2
"""Heaps that all threads share: workers use few and large blocks, so they seldom wait for each other."""
MMAP_BYTES = 1 << 20
"""Blocks from this size on are mapped alone and go back when they are freed. Setting it also ends glibc's habit of raising it to
the largest block that was ever freed."""
TRIM_SECONDS = 1.0
"""Time after an export has ended in which the ends of others are waited for, to trim once for all of them."""


def tune() -> None:
    """Set the allocator up; to be called before there are threads."""
    libc = _glibc()
    if libc is not None:
        libc.mallopt(M_ARENA_MAX, ARENAS)
        libc.mallopt(M_MMAP_THRESHOLD, MMAP_BYTES)


class Trimmer:
    """Gives freed memory back to the system a moment after exports have ended."""

    def __init__(self) -> None:
        self._libc = _glibc()
        self._lock = threading.Lock()
        self._planned = False

    def plan(self) -> None:
        """Trim soon, in a thread of its own: a trim of 100 MB takes some milliseconds. From any thread; does not block."""
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
    libc = ctypes.CDLL(None)
    # musl has neither; its allocator gives memory back by itself.
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
