"""The memory of the whole process, shared out among the exports that run: no reservation, no start.

What an export reserves is computed from its sizes in :mod:`polyglot_export.memory`; this module only knows how much
there is and whose turn it is.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from polyglot_export.errors import Busy

__all__ = ["MemoryBudget", "Reservation", "available_memory", "resident_bytes"]

DEFAULT_LIMIT = 256 << 20
"""Bytes for the process where neither a setting nor a cgroup says more: the wall that the service is designed for."""
HEADROOM = 16 << 20
"""Bytes left free for what is in no reservation: requests, sockets' user-space buffers, the allocator's own waste."""
_CGROUP_V2 = Path("/sys/fs/cgroup")
_CGROUP_V1 = Path("/sys/fs/cgroup/memory")
_UNLIMITED = 1 << 60
"""cgroup v1 writes a number near 2**63 for "no limit"."""


def available_memory(configured: int | None) -> int:
    """Bytes that the whole process may use: the setting, else the cgroup's limit, else :data:`DEFAULT_LIMIT`."""
    if configured is not None:
        return configured
    return _cgroup_limit() or DEFAULT_LIMIT


def resident_bytes() -> int:
    """Resident memory of this process now, in bytes (Linux; proc(5), ``/proc/self/statm``)."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


class MemoryBudget:
    """Hands out reservations in the order they were asked for.

    A large request at the head of the queue holds back smaller ones behind it; otherwise a stream of small exports
    could keep it waiting for ever. All methods belong to the event loop's thread.
    """

    def __init__(self, capacity: int) -> None:
        """Set up.

        Args:
            capacity: Bytes that all reservations together may have.
        """
        self.capacity = capacity
        self.reserved = 0
        self._queue: deque[_Waiter] = deque()

    @property
    def waiting(self) -> int:
        """How many exports wait for their turn."""
        return len(self._queue)

    async def reserve(self, size: int, seconds: float) -> Reservation:
        """Wait for ``size`` bytes.

        Args:
            size: Bytes.
            seconds: To wait at most.

        Raises:
            Busy: The time is over, or the size is more than there is at all.
        """
        if size > self.capacity:
            raise Busy(
                f"this export needs {_megabytes(size)} MB of memory and the service has {_megabytes(self.capacity)} MB for exports; "
                "POLYGLOT_MEMORY_LIMIT or fewer POLYGLOT_WORKERS change that"
            )
        waiter = _Waiter(size)
        self._queue.append(waiter)
        self._grant()
        try:
            async with asyncio.timeout(seconds):
                await waiter.ready.wait()
        except BaseException as error:
            self._forget(waiter)
            if isinstance(error, TimeoutError):
                raise Busy(f"no memory for another export became free in {seconds:g} seconds; try again later") from None
            raise
        return Reservation(self, size)

    def release(self, size: int) -> None:
        """Give back what :meth:`reserve` gave; called by :class:`Reservation`."""
        self.reserved -= size
        self._grant()

    def _grant(self) -> None:
        while self._queue and self.reserved + self._queue[0].size <= self.capacity:
            waiter = self._queue.popleft()
            self.reserved += waiter.size
            waiter.ready.set()

    def _forget(self, waiter: _Waiter) -> None:
        if waiter.ready.is_set():
            # Granted in the same turn of the loop in which the caller was cancelled or ran out of time.
            self.release(waiter.size)
        else:
            self._queue.remove(waiter)
            self._grant()


@dataclass(eq=False, slots=True)
class _Waiter:
    size: int
    ready: asyncio.Event = field(default_factory=asyncio.Event)


class Reservation:
    """A share of the memory; give it back once, with :meth:`release` or at the end of a ``with`` block."""

    def __init__(self, budget: MemoryBudget, size: int) -> None:
        self._budget = budget
        self.size = size
        self._held = True

    def release(self) -> None:
        """Give the share back; further calls do nothing."""
        if self._held:
            self._held = False
            self._budget.release(self.size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def _megabytes(size: int) -> str:
    return f"{size / (1 << 20):.0f}"


def _cgroup_limit() -> int | None:
    """The tightest memory limit of this process's cgroup and its ancestors (v2: ``memory.max``; v1: ``limit_in_bytes``)."""
    limits: list[int] = []
    for line in _lines(Path("/proc/self/cgroup")):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            limits += _limits(_CGROUP_V2, path, "memory.max")
        elif "memory" in controllers.split(","):
            limits += _limits(_CGROUP_V1, path, "memory.limit_in_bytes")
    return min(limits, default=None)


def _limits(root: Path, path: str, name: str) -> list[int]:
    """In a container the root is often the container's own cgroup, so the root itself is looked at as well."""
    folder = root / path.lstrip("/")
    folders = [folder, *folder.parents]
    found = []
    for candidate in folders:
        if candidate != root and root not in candidate.parents:
            break
        text = "".join(_lines(candidate / name)).strip()
        if text.isdigit() and int(text) < _UNLIMITED:
            found.append(int(text))
    return found


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
