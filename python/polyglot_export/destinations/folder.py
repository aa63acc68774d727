"""A folder of this machine as a store of many files."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Self

from polyglot_export.destinations.base import Capabilities
from polyglot_export.destinations.descriptor import OWN_DESCRIPTOR, naming
from polyglot_export.destinations.file import FileDestination, local_path, part_name, part_pattern
from polyglot_export.destinations.outlet import write_all
from polyglot_export.destinations.store import Store, StoredFile, Unfinished
from polyglot_export.destinations.temporary import TemporaryFiles
from polyglot_export.errors import SpecError

__all__ = ["FolderFile", "FolderStore"]

NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""What a file system answers that knows no hard links."""

FOLDER_ATTEMPTS = 100
"""So often a folder is made for one file. Another thread or process that removes the last file in a folder takes the
folder away with it, and can do so between the making of the folder and that of a file; each further time it must have
removed another file just then."""


class FolderFile(FileDestination):
    """A file of a set. The folders above it are made when it is opened."""

    def _open_part(self, replaced: os.stat_result | None) -> None:
        _in_folder(Path(self._name).parent, partial(super()._open_part, replaced))


class FolderStore(Store):
    """The files in a folder and in the folders below it.

    It need not be there: it is made with the first file. Temporary files (``.NAME.<random>.part``) are no files of it.

    Args:
        path: The folder.
    """

    capabilities = Capabilities(atomic=True, streaming=False, named_by_format=True)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._folder = Path(path)

    @classmethod
    def accepts(cls, url: str) -> bool:
        """Whether it is a path or a ``file://`` URL: every path can be that of a folder."""
        local = "://" not in url or url[:7].lower() == "file://"
        return local and url not in ("", "-") and OWN_DESCRIPTOR.fullmatch(url) is None

    @classmethod
    def at(cls, url: str) -> Self:
        """The folder of this path or ``file://`` URL; nothing is opened yet."""
        return cls(local_path(url))

    @property
    def url(self) -> str:
        """Its path."""
        return os.fspath(self._folder)

    def check(self) -> None:
        """See that it is a folder that can be written, or that it can be made."""
        with naming(self.url):
            found = self._folder
            while not os.path.lexists(found) and found != found.parent:
                found = found.parent
            if not stat.S_ISDIR(found.stat().st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            if not os.access(found, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def file(self, path: str) -> FolderFile:
        """The destination of one file; nothing is opened yet."""
        return FolderFile(self._path(path))

    def files(self, below: str = "") -> Iterator[StoredFile]:
        """Every file below a path, in the order of their paths. A folder that is not there has none."""
        folder = self._path(below) if below else self._folder
        with naming(str(folder), "read"):
            if not folder.is_dir():
                return
        yield from _walk(folder, f"{below.rstrip('/')}/" if below else "")

    def size(self, path: str) -> int | None:
        """Bytes of a file; ``None`` where there is none."""
        return _size(self._path(path))

    def read(self, path: str, start: int, length: int) -> bytes:
        """Bytes of a file from ``start`` on; fewer than ``length`` at its end only."""
        target = self._path(path)
        with naming(str(target), "read"), target.open("rb", buffering=0) as file:
            file.seek(start)
            found = file.read(length)
            while len(found) < length and (more := file.read(length - len(found))):
                found += more
            return found

    def create(self, path: str, content: bytes) -> bool:
        """Write a small file in one piece if there is none of that name: link(2) names it, which fails if there is."""
        target = self._path(path)
        part = target.with_name(part_name(target.name))
        with naming(str(target)):
            try:
                _in_folder(target.parent, partial(_write, part, content))
                return _link(part, target, content)
            finally:
                with suppress(OSError):
                    part.unlink()

    def replace(self, path: str, content: bytes) -> None:
        """Write a small file in one piece, over the one that is there."""
        with self.file(path) as file:
            file.write(content)
            file.commit()

    def remove(self, path: str) -> None:
        """Remove a file, and the folders that are empty then. It is no error if there is none."""
        target = self._path(path)
        with naming(str(target), "remove"), suppress(FileNotFoundError, NotADirectoryError):
            target.unlink()
        folder = target.parent
        # One that is not empty ends it, and so does one that somebody else is using.
        with suppress(OSError):
            while folder != self._folder:
                folder.rmdir()
                folder = folder.parent

    def remove_if_empty(self) -> None:
        """Remove the folder where nothing is in it. Never raises."""
        with suppress(OSError):
            self._folder.rmdir()

    def unfinished(self) -> Iterator[Unfinished]:
        """The temporary files in it; or, where it is a file, those of that one. Of neither there may be any, but the
        folder above must be there: a name that is misspelt is none that has nothing to clean.
        """
        return TemporaryFiles(self.url).unfinished()

    def end(self, unfinished: Unfinished) -> None:
        """Remove a temporary file."""
        TemporaryFiles(self.url).end(unfinished)

    def _path(self, path: str) -> Path:
        """The path of a file.

        Raises:
            SpecError: It would lead elsewhere.
        """
        if any(part in ("", ".", "..") for part in path.split("/")):
            raise SpecError(
                None, f"{path!r} has an empty part, . or .. between its slashes; no file of a set is called so"
            )
        return self._folder / path


def _in_folder(folder: Path, make: Callable[[], None]) -> None:
    """Make a file in a folder, which is made too, and made again when somebody removes it before the file is in it.

    Raises:
        OSError: That of the system; ``FileNotFoundError`` only after ``FOLDER_ATTEMPTS``.
    """
    for attempt in range(1, FOLDER_ATTEMPTS + 1):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            make()
        except FileNotFoundError:
            if attempt == FOLDER_ATTEMPTS:
                raise
        else:
            return


def _walk(folder: Path, before: str) -> Iterator[StoredFile]:
    """The files below a folder, those of each folder between its neighbours by name."""
    temporary = part_pattern()
    waiting: list[tuple[str, frozenset[tuple[int, int]]]] = [(before, frozenset())]
    while waiting:
        path, above = waiting.pop()
        target = folder / path.removeprefix(before)
        if path == before or path.endswith("/"):
            here = _identity(target)
            # A link that leads back up has nothing that is not listed already.
            if here not in above:
                below = sorted((f"{path}{name}" for name in _names(target)), reverse=True)
                waiting += [(each, above | {here}) for each in below]
        elif temporary.fullmatch(target.name) is None:
            size = _size(target)
            if size is not None:
                yield StoredFile(path, size)


def _names(folder: Path) -> list[str]:
    """What is in a folder. Folders have a slash behind them, with which all paths stand in their order; links to
    folders too, since files are written and removed through them.
    """
    with naming(str(folder), "read"), os.scandir(folder) as entries:
        return [f"{entry.name}/" if entry.is_dir() else entry.name for entry in entries]


def _identity(folder: Path) -> tuple[int, int]:
    with naming(str(folder), "read"):
        found = folder.stat()
    return found.st_dev, found.st_ino


def _size(path: Path) -> int | None:
    """Of a file, through links; ``None`` where there is none."""
    with naming(str(path), "read"):
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _write(path: Path, content: bytes) -> None:
    """A new file that is on the disk when this returns."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link(part: Path, target: Path, content: bytes) -> bool:
    """Give a file its name, unless there is one of that name."""
    try:
        try:
            os.link(part, target)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            _write(target, content)
    except FileExistsError:
        return False
    return True
