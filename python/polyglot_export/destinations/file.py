"""A file that appears complete or not at all."""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from polyglot_export.destinations.base import Capabilities, Destination
from polyglot_export.destinations.descriptor import naming
from polyglot_export.destinations.outlet import Outlet
from polyglot_export.errors import SpecError, TargetFailed

if TYPE_CHECKING:
    from polyglot_export._core import Sha256
    from polyglot_export.destinations.base import Chunks

__all__ = ["FileDestination", "local_path", "part_name", "part_pattern"]

_URL = re.compile(r"file://(?:localhost)?(/.*)?", re.DOTALL | re.IGNORECASE)
_RANDOM_BYTES = 4
"""In the name of a temporary file: of two writers, none meets the other's."""

NAME_BYTES = 255
"""The longest name of a file that the usual file systems take (NAME_MAX)."""


class FileDestination(Destination):
    """Writes a temporary file in the folder of the file and renames it on ``commit``.

    Until the rename the file is untouched, so that a reader sees the old file or the whole new one, never a part
    (rename(2) is atomic). The data is on the disk before the name is (fsync of the file, then of its folder), so that
    the promise holds even if the machine crashes. Without ``commit``, the temporary file is removed.

    - The temporary file is called ``.NAME.<random>.part``. A process that is killed with SIGKILL leaves it behind.
    - A new file gets the rights that the umask allows; a replaced one hands its rights (and, where allowed, its owner)
      on. A file that the user may not write is not replaced.
    - A symbolic link stays: the file that it leads to is replaced.

    Args:
        path: The file.
        mode: Rights of a new file, as far as the umask allows them.

    Raises:
        TargetFailed: With the system's reason, from every method.
    """

    kind = "a file"
    capabilities = Capabilities(atomic=True, streaming=False, named_by_format=True)
    schemes = ("file",)

    def __init__(self, path: str | os.PathLike[str], mode: int = 0o666) -> None:
        self._name = os.fspath(path)
        self._mode = mode
        self._target = Path(self._name)
        self._part: Path | None = None
        self._outlet: Outlet | None = None
        self._replaced: os.stat_result | None = None

    @classmethod
    def accepts(cls, name: str) -> bool:  # noqa: ARG003 - every name can be that of a file
        """Every name can be that of a file."""
        return True

    @classmethod
    def named(cls, name: str) -> FileDestination:
        """The file of this name or ``file://`` URL; nothing is opened yet."""
        return cls(local_path(name))

    @classmethod
    def file_name(cls, name: str) -> str:
        """The last part of the name.

        Raises:
            SpecError: It is the name of a folder.
        """
        path = local_path(name)
        # Path.is_dir would raise for a name that is too long, which opening it tells better.
        if os.path.isdir(path):  # noqa: PTH112
            raise SpecError(None, f"{name} is a folder; name a file in it")
        return Path(path).name

    def __enter__(self) -> Self:
        with naming(self._name):
            found = _stat(self._name)
            if found is not None and not stat.S_ISREG(found.st_mode):
                # A rename would replace the folder or device by a file.
                number = errno.EISDIR if stat.S_ISDIR(found.st_mode) else errno.EINVAL
                raise OSError(number, os.strerror(number))
            self._open_part(found)
        return self

    def write(self, chunk: bytes) -> None:
        """Append a chunk. Returns when all of it is written."""
        with naming(self._name):
            self._opened().write(chunk)

    def take(self, chunks: Chunks, hasher: Sha256 | None = None) -> int | None:
        """Let the core append the next chunk."""
        with naming(self._name):
            return self._opened().take(chunks, hasher)

    def commit(self) -> None:
        """Give the complete file its name, so that it survives a crash. Afterwards the destination is closed."""
        outlet, part = self._opened(), self._part
        if part is None:
            raise TargetFailed(f"cannot write {self._name}: it is closed")
        try:
            with naming(self._name):
                self._hand_rights_on(outlet.descriptor)
                os.fsync(outlet.descriptor)
                self._outlet = None
                outlet.close()
                part.replace(self._target)
                self._part = None
                _sync_folder(self._target.parent)
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove the temporary file and close. Never raises; does nothing after :meth:`commit`."""
        self.abandon()
        outlet, self._outlet = self._outlet, None
        if outlet is not None:
            with suppress(OSError):
                outlet.close()

    def abandon(self) -> None:
        """Remove the temporary file while another thread may still be writing to it, as the last act of a process."""
        part, self._part = self._part, None
        if part is not None:
            with suppress(OSError):
                part.unlink()

    def pipe(self) -> int | None:
        """``None``: a file has no reader that could leave."""
        return None

    def _opened(self) -> Outlet:
        if self._outlet is None:
            raise TargetFailed(f"cannot write {self._name}: it is closed")
        return self._outlet

    def _open_part(self, replaced: os.stat_result | None) -> None:
        """Make the temporary file beside the real file; ``replaced`` is what is there now."""
        self._target = Path(os.path.realpath(self._name))
        if replaced is not None and not os.access(self._target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self._replaced = replaced
        part = self._target.with_name(part_name(self._target.name))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        # The rights of the replaced file are given at the end. Until then only the owner can read what may be secret.
        descriptor = os.open(part, flags, 0o600 if replaced is not None else self._mode)
        self._outlet = Outlet(descriptor, stays=True)
        self._part = part

    def _hand_rights_on(self, descriptor: int) -> None:
        """Give the new file the owner and the rights of the one it replaces."""
        if self._replaced is None:
            return
        mode = self._replaced.st_mode & 0o777
        try:
            os.fchown(descriptor, self._replaced.st_uid, self._replaced.st_gid)
        except PermissionError:
            # Only root may change the owner. Rights of the old group must not pass to another group.
            mode = mode & 0o707 | (mode & 0o007) << 3
        os.fchmod(descriptor, mode)


def local_path(name: str) -> str:
    """The path that a name stands for: itself, or what a ``file://`` URL says.

    Raises:
        SpecError: It is a ``file://`` URL of another machine, or of no path.
    """
    if name[:7].lower() != "file://":
        return name
    match = _URL.fullmatch(name)
    if match is None or match[1] is None:
        raise SpecError(
            None, f"{name}: a file:// URL has a whole path behind three slashes, as file:///data/orders.csv"
        )
    from urllib.parse import unquote

    return unquote(match[1], errors="surrogateescape")


def part_pattern() -> re.Pattern[str]:
    """What the names of temporary files look like; the group is the name of the file, which may have been cut."""
    return re.compile(rf"\.(.+)\.[0-9a-f]{{{2 * _RANDOM_BYTES}}}\.part", re.DOTALL)


def _stat(path: str) -> os.stat_result | None:
    """What the name leads to, through symbolic links; ``None`` if there is nothing."""
    try:
        return Path(path).stat()
    except FileNotFoundError:
        return None


def part_name(name: str) -> str:
    """A new name for the temporary file, cut to what the file system accepts."""
    ending = f".{os.urandom(_RANDOM_BYTES).hex()}.part"
    kept = os.fsencode(name)[: NAME_BYTES - len(ending) - 1]
    return f".{os.fsdecode(kept)}{ending}"


def _sync_folder(folder: Path) -> None:
    """Write the folder's entry to the disk. Some file systems cannot sync a folder; their error is ignored."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
