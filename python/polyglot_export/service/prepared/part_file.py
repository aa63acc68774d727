"""A file of the spool while it is written: made, named and removed within one folder that is held open.

A path would be looked up anew at each step, and whoever may write to the directory above could put a symbolic link to a
folder of theirs in its place between two of them.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Self

from polyglot_export.destinations.file import part_name
from polyglot_export.destinations.outlet import write_all
from polyglot_export.service.prepared import openat

__all__ = ["PartFile"]


class PartFile:
    """Appears under its name only when it is complete; left without :meth:`commit`, it is removed.

    Raises:
        OSError: With the system's reason, from every method.
    """

    def __init__(self, root: Path, name: str, folder: os.stat_result) -> None:
        """Set up; nothing is opened before it is entered.

        Args:
            root: The directory of the spool.
            name: Of the finished file, below the root.
            folder: What the folder was when it was made.
        """
        self._root = root
        self._name = name
        self._made = folder
        self._folder = -1
        self._descriptor = -1
        self._file = ""
        self._part: str | None = None

    def __enter__(self) -> Self:
        self._folder, self._file = openat.open_folder(self._root, self._name)
        try:
            if not os.path.samestat(os.fstat(self._folder), self._made):
                raise FileNotFoundError(errno.ENOENT, "its folder was replaced")
            part = part_name(self._file)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._descriptor = os.open(part, flags, 0o600, dir_fd=self._folder)
            self._part = part
        except OSError:
            self.discard()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.discard()

    def write(self, chunk: bytes) -> None:
        """Append a chunk. Returns when all of it is written."""
        write_all(self._descriptor, chunk)

    def commit(self) -> str:
        """Give the file its name, so that it survives a crash; it stays open until the end of the context.

        Returns:
            What tells the finished file from one that was written to since (:func:`openat.stamp_of`).
        """
        part = self._part
        if part is None:
            raise FileNotFoundError(errno.ENOENT, "it is closed")
        os.fsync(self._descriptor)
        os.rename(part, self._file, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self._part = None
        # Some file systems cannot sync a folder.
        with suppress(OSError):
            os.fsync(self._folder)
        return openat.stamp_of(self._descriptor)

    def discard(self) -> None:
        """Close, and remove what has no name yet. Never raises."""
        part, self._part = self._part, None
        if part is not None:
            with suppress(OSError):
                os.unlink(part, dir_fd=self._folder)
        descriptors, self._descriptor, self._folder = (self._descriptor, self._folder), -1, -1
        for descriptor in descriptors:
            if descriptor >= 0:
                with suppress(OSError):
                    os.close(descriptor)
