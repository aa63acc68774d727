"""A memory cgroup with a hard limit, of version 1 or 2, for one child process.

What it counts: resident memory, the page cache of the files that the process reads and writes, and the kernel's memory
for it (page tables, thread stacks, descriptors). Version 2 counts the buffers of sockets too.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

__all__ = ["MemoryGroup", "NoGroup", "Usage"]

REMOVE_SECONDS = 5.0
"""A group can be removed once the kernel has let go of its last process."""


class NoGroup(Exception):
    """No memory cgroup can be made here; one sentence says why."""


@dataclass(frozen=True)
class Usage:
    """Bytes of a group.

    Attributes:
        peak: The most that was counted since the last reset.
        now: What is counted now.
        cache: Of that, the page cache.
        at_limit: How often the limit was met, and memory was taken back from the page cache or a process was killed.
        killed: How many processes were killed.
    """

    peak: int
    now: int
    cache: int
    at_limit: int
    killed: int


class MemoryGroup:
    """A group of its own below that of this process (version 1) or beside it (version 2)."""

    def __init__(self, folder: Path, version: int, limit: int) -> None:
        """Use :meth:`create`."""
        self.folder = folder
        self.version = version
        self.limit = limit
        self._peak_descriptor = -1

    @classmethod
    def create(cls, limit: int) -> Self:
        """Make a group.

        Args:
            limit: Bytes; swap is not allowed beyond it.

        Raises:
            NoGroup: None can be made.
        """
        reasons = []
        for version, parent in _parents():
            folder = parent / f"polyglot-{secrets.token_hex(4)}"
            try:
                folder.mkdir()
            except OSError as error:
                reasons.append(f"{parent}: {error.strerror}")
                continue
            group = cls(folder, version, limit)
            try:
                group._set_up()
            except OSError as error:
                group.close()
                reasons.append(f"{parent}: {error.strerror}")
                continue
            return group
        why = "; ".join(dict.fromkeys(reasons)) or "the memory controller is mounted in neither version"
        raise NoGroup(f"no memory cgroup can be made here ({why}); run as root, or in a delegated cgroup")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def command(self, command: Sequence[str]) -> list[str]:
        """The command, made to enter the group before it starts."""
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self.folder / "cgroup.procs"), *command]

    def usage(self) -> Usage:
        """What is counted."""
        stat = self._table("memory.stat")
        if self.version == 1:
            control = self._table("memory.oom_control")
            return Usage(
                peak=self._number("memory.max_usage_in_bytes"),
                now=self._number("memory.usage_in_bytes"),
                cache=stat.get("total_cache", 0),
                at_limit=self._number("memory.failcnt"),
                killed=control.get("oom_kill", 0),
            )
        events = self._table("memory.events")
        return Usage(
            peak=self._peak(),
            now=self._number("memory.current"),
            cache=stat.get("file", 0),
            at_limit=events.get("max", 0),
            killed=events.get("oom_kill", 0),
        )

    def reset_peak(self) -> None:
        """Begin anew to look for the peak; kernels before 6.12 cannot in version 2, and keep the one of the group's
        whole life.
        """
        if self.version == 1:
            (self.folder / "memory.max_usage_in_bytes").write_text("0")
            return
        # The reset counts for this descriptor alone (Documentation/admin-guide/cgroup-v2.rst, memory.peak).
        try:
            if self._peak_descriptor < 0:
                self._peak_descriptor = os.open(self.folder / "memory.peak", os.O_RDWR)
            os.write(self._peak_descriptor, b"reset\n")
        except OSError:
            pass

    def close(self) -> None:
        """Remove the group, whose processes have ended."""
        if self._peak_descriptor >= 0:
            os.close(self._peak_descriptor)
            self._peak_descriptor = -1
        deadline = time.monotonic() + REMOVE_SECONDS
        while self.folder.exists():
            try:
                self.folder.rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def _set_up(self) -> None:
        if self.version == 1:
            (self.folder / "memory.limit_in_bytes").write_text(str(self.limit))
            swap = self.folder / "memory.memsw.limit_in_bytes"
            if swap.exists():
                swap.write_text(str(self.limit))
            return
        (self.folder / "memory.max").write_text(str(self.limit))
        swap = self.folder / "memory.swap.max"
        if swap.exists():
            swap.write_text("0")

    def _peak(self) -> int:
        if self._peak_descriptor < 0:
            return self._number("memory.peak")
        return int(os.pread(self._peak_descriptor, 64, 0))

    def _number(self, name: str) -> int:
        return int((self.folder / name).read_text())

    def _table(self, name: str) -> dict[str, int]:
        pairs = (line.split() for line in (self.folder / name).read_text().splitlines())
        return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _parents() -> Iterator[tuple[int, Path]]:
    """Groups below which one may be made, with their version."""
    paths = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        paths[controllers] = path.lstrip("/")
    for kind, root, options in _mounts():
        if kind == "cgroup" and "memory" in options:
            own = root / next((path for controllers, path in paths.items() if "memory" in controllers.split(",")), "")
            yield 1, own if own.exists() else root
        elif kind == "cgroup2":
            # A group with processes cannot have children with a limit, so the nearest one above that hands memory out.
            own = root / paths.get("", "")
            for parent in (own, *own.parents):
                if parent != root and root not in parent.parents:
                    break
                control = parent / "cgroup.subtree_control"
                if control.exists() and "memory" in control.read_text().split():
                    yield 2, parent


def _mounts() -> Iterator[tuple[str, Path, list[str]]]:
    """Type, mount point and options of the file system's own (proc(5), ``/proc/self/mountinfo``)."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind.startswith("cgroup"):
            yield kind, Path(before.split()[4]), options.split(",")
