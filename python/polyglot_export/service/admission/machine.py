"""The memory that this process may use."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["DEFAULT_LIMIT", "HEADROOM", "available_memory", "resident_bytes"]


DEFAULT_LIMIT = 256 << 20
"""Bytes for the process where neither a setting nor a cgroup says more: the wall that the service is designed for."""
HEADROOM = 24 << 20
"""Bytes left free for what is in no reservation: requests, the kernel's memory for threads, pages and sockets, and what
the allocator has not given back yet."""
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


def _cgroup_limit() -> int | None:
    """The tightest memory limit of this process's cgroup and its ancestors (v2: ``memory.max``; v1:
    ``limit_in_bytes``).
    """
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
