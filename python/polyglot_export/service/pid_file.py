"""The file by which others find a running service, and in which they read what came of a reload.

Like that of other servers it has the number of the process and nothing else, for ``kill -HUP $(cat FILE)``. Beside it,
in ``FILE.reload``, is what came of the latest reload. The service holds a lock on the file for as long as it lives, so
that a file which a crash has left behind leads to no other process.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from polyglot_export.errors import SpecError

__all__ = ["PidFile", "ReloadNote", "process_of", "read_note"]

_FLAGS = os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_MAX_NOTE = 64 << 10
_TRIES, _PAUSE = 5, 0.02


@dataclass(frozen=True, slots=True)
class ReloadNote:
    """What came of a reload."""

    begun: float
    """When it began, by the machine's clock that only goes forward (``time.monotonic``)."""
    reason: str | None
    """Why nothing has changed; ``None`` where the new configuration is in force."""
    keys: int
    """How many keys are configured by now."""


class PidFile:
    """The file of this process; ``with PidFile(path)``.

    Raises:
        SpecError: It cannot be written, or belongs to a service that runs.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> Self:
        try:
            self._descriptor = _locked(self._path)
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, f"{os.getpid()}\n".encode())
            _note_path(self._path).unlink(missing_ok=True)
        except OSError as error:
            raise SpecError("POLYGLOT_PID_FILE", f"{self._path} cannot be written: {error.strerror or error}") from None
        return self

    def __exit__(self, *_: object) -> None:
        for path in (_note_path(self._path), self._path):
            with contextlib.suppress(OSError):
                path.unlink()
        os.close(self._descriptor)

    def note(self, note: ReloadNote) -> None:
        """Tell what came of a reload. That it cannot be told is no reason to undo it."""
        path = _note_path(self._path)
        beside = path.with_name(f"{path.name}.new")
        with contextlib.suppress(OSError):
            descriptor = os.open(beside, _FLAGS | os.O_WRONLY | os.O_TRUNC, 0o644)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(asdict(note), file)
            beside.replace(path)


def process_of(path: Path) -> int:
    """The process whose file it is.

    Raises:
        SpecError: There is no such file, or none that a running service holds.
    """
    try:
        with path.open("rb") as file:
            text = file.read(32)
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(text)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it holds no number of a process"
        raise SpecError(None, f"no service was found by the file {path}: {reason}") from None
    raise SpecError(None, f"no service was found by the file {path}: the one that wrote it does not run any more")


def read_note(path: Path) -> ReloadNote | None:
    """What the service whose file it is told of its latest reload; ``None`` where it has told nothing."""
    try:
        with _note_path(path).open(encoding="utf-8") as file:
            return ReloadNote(**json.loads(file.read(_MAX_NOTE)))
    except (OSError, ValueError, TypeError):
        return None


def _note_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.reload")


def _locked(path: Path) -> int:
    """The file, opened and locked.

    Raises:
        SpecError: Somebody else has locked it.
        OSError: It cannot be opened.
    """
    for left in reversed(range(_TRIES)):
        descriptor = os.open(path, _FLAGS | os.O_RDWR, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
        except BlockingIOError:
            if not left:
                holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
                os.close(descriptor)
                break
        # Its holder has ended, and removed it, between the two calls; or somebody looks whether there is one.
        os.close(descriptor)
        time.sleep(_PAUSE)
    raise SpecError("POLYGLOT_PID_FILE", f"{path} belongs to a service that runs (process {holder})")
