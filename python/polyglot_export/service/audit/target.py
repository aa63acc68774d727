"""Where the lines go: a file that others may rename, or standard output.

Every line is one write with ``O_APPEND``, so that several processes may share a file. A disk that is full in the middle
of a line has the torn line taken back, or ended, so that a reader finds whole lines.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

__all__ = ["STANDARD_OUTPUT", "AuditTarget", "Written"]

STANDARD_OUTPUT = "-"
_MODE = 0o600
"""Who reads the log reads who reads what."""


class Written(NamedTuple):
    """What became of some lines."""

    lines: int = 0
    """The first so many are written."""
    problem: str | None = None
    """Why the others are not."""


class AuditTarget:
    """A file, opened when the first line is written, and again when it has been renamed or removed."""

    def __init__(self, path: str, *, fsync: bool = False) -> None:
        """Set up.

        Args:
            path: Of the file, or ``-``.
            fsync: Whether a line counts as written only when the disk has it.
        """
        self._path = path
        self._fsync = fsync and path != STANDARD_OUTPUT
        self._descriptor: int | None = None
        self._torn = False

    def write_all(self, lines: Sequence[bytes]) -> Written:
        """Write lines, each of them whole, and wait for the disk after the last one where that is set."""
        written = 0
        try:
            for line in lines:
                self._write(line)
                written += 1
            if self._fsync and lines:
                os.fsync(self._opened())
        except OSError as error:
            # What the disk may not have counts as not written.
            return Written(0 if written == len(lines) else written, error.strerror or str(error))
        return Written(written)

    def _write(self, line: bytes) -> None:
        descriptor = self._opened()
        data = b"\n" + line if self._torn else line
        written = os.write(descriptor, data)
        if written < len(data):
            self._take_back(descriptor, written)
            # What a file takes a part of has no room for the rest (write(2)).
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._torn = False

    def close(self) -> Written:
        """Close the file; the next line opens it anew."""
        if self._descriptor is not None and self._path != STANDARD_OUTPUT:
            with suppress(OSError):
                os.close(self._descriptor)
        self._descriptor = None
        return Written()

    def _opened(self) -> int:
        if self._path == STANDARD_OUTPUT:
            return sys.stdout.fileno()
        if self._descriptor is not None and not self._is_current(self._descriptor):
            self.close()
        if self._descriptor is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
            self._descriptor = os.open(self._path, flags, _MODE)
            self._torn = self._ends_in_the_middle(self._descriptor)
        return self._descriptor

    def _is_current(self, descriptor: int) -> bool:
        """Whether the name still leads to the open file: a rotation without a signal loses no line."""
        try:
            named = Path(self._path).stat()
        except OSError:
            return False
        known = os.fstat(descriptor)
        return (named.st_dev, named.st_ino) == (known.st_dev, known.st_ino)

    def _ends_in_the_middle(self, descriptor: int) -> bool:
        """Whether a process that was killed, or a full disk, has left a piece of a line at the end."""
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size == 0:
            return False
        with Path(self._path).open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"

    def _take_back(self, descriptor: int, written: int) -> None:
        """Remove a piece of a line, if nobody has written behind it; otherwise the next line begins with an end."""
        if written <= 0:
            return
        self._torn = True
        if self._path == STANDARD_OUTPUT:
            return
        with suppress(OSError):
            known = os.fstat(descriptor)
            end = known.st_size
            with Path(self._path).open("rb") as file:
                if not os.path.samestat(os.fstat(file.fileno()), known):
                    # It was renamed at this very moment.
                    return
                file.seek(end - written)
                piece = file.read(written + 1)
            if len(piece) == written and b"\n" not in piece[1:]:
                os.ftruncate(descriptor, end - written)
                self._torn = False
