"""Running services of this machine, as ``/proc`` shows them (proc(5), Linux)."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["PROC", "is_service", "services"]

PROC = Path("/proc")


def is_service(pid: int, proc: Path = PROC) -> bool | None:
    """Whether a process is a ``polyglot serve``; ``None`` where that cannot be told."""
    try:
        arguments = (proc / str(pid) / "cmdline").read_bytes().split(b"\0")
    except FileNotFoundError:
        return False if (proc / "self").exists() else None
    except OSError:
        return None
    # The script, or ``python -m polyglot_export``.
    programs = [Path(os.fsdecode(each)).name for each in arguments]
    return any(
        program in ("polyglot", "polyglot_export") and word == b"serve"
        for program, word in zip(programs, arguments[1:], strict=False)
    )


def services(proc: Path = PROC) -> list[int]:
    """The services of this user, for root those of all; none where the system does not show processes as files."""
    found, user = [], os.geteuid()
    for entry in proc.iterdir() if proc.exists() else ():
        try:
            own = entry.name.isdigit() and user in (0, entry.stat().st_uid)
        except FileNotFoundError:
            # It has ended meanwhile.
            continue
        if own and is_service(int(entry.name), proc):
            found.append(int(entry.name))
    return sorted(found)
