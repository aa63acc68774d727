"""Sets up glibc's allocator for a process of ours: a service gives freed memory back to the system, and so does a
command whose blocks have many sizes; one that runs one export keeps it.

Only the processes of our own programs are set up, never one that uses the library. Other C libraries are left alone.
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
"""How many heaps all threads share. Workers use few and large blocks, so they seldom wait for each other."""
MMAP_BYTES = 1 << 20
"""Blocks of at least this size get a mapping of their own, which is returned as soon as they are freed. Setting the
value also keeps glibc from raising it to the largest block that was ever freed."""
KEPT_BLOCK_BYTES = 4 << 20
"""For a command: blocks up to this size stay in its heaps, since an export allocates chunks and pages of the same sizes
again and again."""
KEPT_FREE_BYTES = 16 << 20
"""For a command: up to this much free memory stays at the end of a heap. Without these two, half of the page faults of
an export were for memory that it had just given back; that took a twentieth of the time of a wide table to Parquet."""
TRIM_SECONDS = 1.0
"""How long to wait after the end of an export before memory is trimmed, so that one trim serves all that end then."""


def give_back() -> None:
    """Set up a service, or a command, that runs close to a hard memory limit. Call it before any thread is started.

    Without it each thread gets a heap of its own, up to eight for each CPU, and keeps there what it has freed.
    """
    libc = _glibc()
    if libc is not None:
        libc.mallopt(M_ARENA_MAX, ARENAS)
        libc.mallopt(M_MMAP_THRESHOLD, MMAP_BYTES)


def keep() -> None:
    """Set up a process that runs one export and ends. It may be called at any time."""
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
        """Trim soon, in a thread of its own, because a trim of 100 MB takes some milliseconds. May be called from any
        thread; does not block.
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
