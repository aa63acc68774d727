"""Files of the spool, opened step by step from its root: no symbolic link and no folder of somebody else is followed.

A path that is opened as a whole (open(2)) follows links in its middle; openat(2) with O_NOFOLLOW takes each part as it
is. Names come from the job store, which others may be able to write to, so they must have the form of our own.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["folder_of", "is_name_of", "open_file", "open_folder", "remove_file", "stamp_of"]

_NAME = re.compile(r"(polyglot-spool-[0-9a-z]+)/(([0-9A-Za-z-]+)\.([0-9]+))")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK the open of a FIFO would wait for its writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def is_name_of(name: str, job_id: str, run: int) -> bool:
    """Whether a name is that of the file of this run, in some replica's folder."""
    match = _NAME.fullmatch(name)
    return match is not None and (match[3], match[4]) == (job_id, str(run))


def folder_of(name: str) -> str | None:
    """The folder in a name of our form; ``None`` for any other name."""
    match = _NAME.fullmatch(name)
    return match[1] if match is not None else None


def open_file(root: Path, name: str) -> int:
    """The descriptor of a file of the spool, for reading.

    Raises:
        OSError: The name is not one of ours, or there is no regular file in a folder of this user's.
    """
    with _inside(root, name) as (folder, file):
        descriptor = os.open(file, _FILE, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is no regular file")
    return descriptor


def remove_file(root: Path, name: str) -> None:
    """Remove a file of the spool; nothing happens where there is none, or where the name is not one of ours."""
    with suppress(OSError), _inside(root, name) as (folder, file):
        os.unlink(file, dir_fd=folder)


def stamp_of(descriptor: int) -> str:
    """What changes whenever a file is written to: the time of its last change cannot be set by anybody (stat(2))."""
    found = os.fstat(descriptor)
    return f"{found.st_ino}.{found.st_size}.{found.st_mtime_ns}.{found.st_ctime_ns}"


def open_folder(root: Path, name: str) -> tuple[int, str]:
    """The descriptor of the folder of a file, and the file's name in it.

    Raises:
        OSError: The name is not one of ours, or its folder is not one of this user's.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise OSError(errno.EINVAL, "is not the name of a prepared file")
    # The root is what the operator has set, a symbolic link included.
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        folder = os.open(match[1], _FOLDER, dir_fd=top)
    finally:
        os.close(top)
    if os.fstat(folder).st_uid != os.geteuid():
        os.close(folder)
        raise OSError(errno.EPERM, "belongs to another user")
    return folder, match[2]


@contextmanager
def _inside(root: Path, name: str) -> Iterator[tuple[int, str]]:
    """The descriptor of the folder, and the name in it."""
    folder, file = open_folder(root, name)
    try:
        yield folder, file
    finally:
        os.close(folder)
