"""Whether this machine has memory cgroups to make."""

from __future__ import annotations

from benchmarks.memory_group import MemoryGroup, NoGroup

__all__ = ["no_group"]


def no_group() -> str | None:
    """Why there is no group, or ``None`` where there is one."""
    try:
        MemoryGroup.create(64 << 20).close()
    except NoGroup as error:
        return str(error)
    return None
