"""The spool: the directory of prepared files. It knows whose they are, how much they take, and what a dead replica has
left there.

    <root>/polyglot-spool-<random>/          a replica's own folder, mode 0700
        lock                                 locked (flock) for as long as the replica lives
        <export id>.<run>                    a prepared file, mode 0600
        .<export id>.<run>.<random>.part     one that is being written

The root is the configured directory, which several replicas may share, or the system's temporary directory. Only the
owner of a folder cleans it up while it lives; everybody may once its lock is free.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import secrets
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from polyglot_export.errors import InternalError, SpecError, TargetFailed
from polyglot_export.service.errors import SpoolFull
from polyglot_export.service.logs import event
from polyglot_export.service.prepared import openat
from polyglot_export.service.prepared.part_file import PartFile

__all__ = ["Spool", "SpoolFile", "Spooled"]

PREFIX = "polyglot-spool-"
LOCK = "lock"
PART = ".part"
RECOUNT = 16 << 20
"""Bytes after which a writer looks at the directory again, for what other replicas have written; a sixteenth of a
smaller limit."""
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Spooled:
    """A finished file of the spool."""

    name: str
    """Its path below the root."""
    job_id: str
    own: bool
    """Whether this replica has written it; the other files that are listed were left by dead ones."""
    age: float
    """Seconds since it was written."""


class Spool:
    """The files of this replica and of those that share the directory. Methods may be called from any thread."""

    def __init__(self, root: Path | None, limit: int) -> None:
        """Set up; nothing is made before :meth:`open`.

        Args:
            root: The configured directory; ``None`` for a private folder that is gone with the service.
            limit: Bytes that all files together may take.
        """
        self.configured = root is not None
        self.limit = limit
        self._root = root
        self._folder: Path | None = None
        self._lock_descriptor = -1
        self._made: os.stat_result | None = None
        """The folder as it was made."""
        self._guard = threading.Lock()
        self._counted = 0
        """Bytes of all files when they were last counted."""
        self._written = 0
        """Bytes that this replica has written since."""

    def open(self) -> None:
        """Make this replica's folder. Idempotent.

        Raises:
            SpecError: The directory cannot be used.
        """
        with self._guard:
            if self._folder is not None:
                return
            try:
                self._open()
            except OSError as error:
                where = self._root if self._root is not None else "the system's temporary directory"
                raise SpecError("POLYGLOT_SPOOL_DIR", f"{where} cannot be used: {error.strerror or error}") from None

    def close(self, *, keep: bool) -> None:
        """Give the folder up.

        Args:
            keep: Leave finished files to the other replicas; otherwise nothing remains.
        """
        with self._guard:
            folder, self._folder = self._folder, None
        if folder is None:
            return
        for path in _files(folder):
            if not keep or path.name.endswith(PART):
                _unlink(path)
        _remove_if_empty(folder)
        os.close(self._lock_descriptor)

    def name(self, job_id: str, run: int) -> str:
        """The name of the file of a run, in this replica's folder."""
        if self._folder is None:
            raise InternalError("the spool was not opened")
        return f"{self._folder.name}/{job_id}.{run}"

    def create(self, name: str) -> SpoolFile:
        """A new file, to be entered as a context.

        Raises:
            TargetFailed: The folder is not this replica's any more.
        """
        self.check_own_folder()
        if self._root is None or self._made is None:
            raise InternalError("the spool was not opened")
        return SpoolFile(self, PartFile(self._root, name, self._made))

    def open_file(self, name: str) -> int:
        """The descriptor of a finished file, which stays readable when the file is removed.

        Raises:
            OSError: There is none, or the name is not one of a prepared file.
        """
        if self._root is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return openat.open_file(self._root, name)

    def check_own_folder(self) -> None:
        """See that this replica's folder is still the one that it has made and locked.

        Raises:
            TargetFailed: It was removed or replaced.
        """
        with suppress(OSError):
            folder, made = self._folder, self._made
            if folder is not None and made is not None and os.path.samestat(folder.lstat(), made):
                return
        raise TargetFailed("the service's folder of the spool was removed or replaced; restart the service")

    def check_room(self) -> None:
        """Refuse a new file at once when there is no room at all.

        Raises:
            SpoolFull: The limit is reached.
            TargetFailed: The spool cannot be opened.
        """
        try:
            self.open()
        except SpecError as error:
            event(_log, logging.WARNING, "no spool", reason=str(error))
            raise TargetFailed("the service has no spool for prepared files; its log has the reason") from None
        with self._guard:
            self._count(0)
            if self._counted >= self.limit:
                raise self._full()

    def take(self, size: int) -> None:
        """Account for bytes that are about to be written.

        Raises:
            SpoolFull: They would pass the limit.
        """
        with self._guard:
            self._written += size
            if self._written >= min(RECOUNT, self.limit // 16) or self._counted + self._written > self.limit:
                self._count(size)
            if self._counted + self._written > self.limit:
                self._written -= size
                raise self._full()

    def remove(self, name: str) -> None:
        """Remove a file, and with the last one the folder of a dead replica. Nothing happens when it is gone
        already; a client that is reading it can go on.
        """
        folder = openat.folder_of(name)
        if self._root is not None and folder is not None:
            openat.remove_file(self._root, name)
            path = self._root / folder
            if path != self._folder and path in self._folders() and _abandoned(path):
                _remove_if_empty(path)

    def survey(self) -> list[Spooled]:
        """Remove what dead replicas were writing, and list the finished files that this replica may judge."""
        found: list[Spooled] = []
        for folder in self._folders():
            own = folder == self._folder
            if not own and not _abandoned(folder):
                continue
            for path in _files(folder):
                if not path.name.endswith(PART):
                    with suppress(FileNotFoundError):
                        age = time.time() - path.stat().st_mtime
                        found.append(Spooled(f"{folder.name}/{path.name}", path.name.rpartition(".")[0], own, age))
                elif not own:
                    _unlink(path)
            if not own:
                _remove_if_empty(folder)
        return found

    def _open(self) -> None:
        if self._root is None:
            self._root = Path(tempfile.gettempdir())
        else:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A folder gets its final name only once its lock is held, since a folder whose lock is free is taken for dead.
        new = Path(tempfile.mkdtemp(prefix=".new-" + PREFIX, dir=self._root))
        try:
            self._lock_descriptor = os.open(new / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock_descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._made = new.lstat()
            self._folder = new.rename(self._root / f"{PREFIX}{secrets.token_hex(8)}")
        except OSError:
            shutil.rmtree(new, ignore_errors=True)
            raise

    def _full(self) -> SpoolFull:
        return SpoolFull(
            f"the spool has no room: prepared files may take {self.limit} bytes together (POLYGLOT_SPOOL_LIMIT)"
        )

    def _count(self, coming: int) -> None:
        """Count what is there; ``coming`` bytes are on their way."""
        folders = self._folders() if self.configured else [folder for folder in [self._folder] if folder is not None]
        self._counted, self._written = sum(_size(path) for folder in folders for path in _files(folder)), coming

    def _folders(self) -> list[Path]:
        """The folders of this service's replicas, dead and alive."""
        if self._root is None:
            return []
        with suppress(OSError), os.scandir(self._root) as entries:
            return [Path(entry.path) for entry in entries if entry.name.startswith(PREFIX) and _is_ours(entry)]
        return []


class SpoolFile:
    """A file that is written, hashed and counted, and appears under its name only when it is complete.

    Raises:
        SpoolFull: The limit is reached or the disk is full.
        TargetFailed: It cannot be written for another reason.
    """

    def __init__(self, spool: Spool, file: PartFile) -> None:
        self.size = 0
        self.stamp: str | None = None
        """What tells the finished file from one that was written to since."""
        self._spool = spool
        self._file = file
        self._hash = hashlib.sha256()

    def __enter__(self) -> Self:
        with _spoken():
            self._file.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.discard()

    def write(self, chunk: bytes) -> None:
        """Append a chunk."""
        self._spool.take(len(chunk))
        with _spoken():
            self._file.write(chunk)
        # Both let go of the interpreter's lock, so the event loop goes on meanwhile.
        self._hash.update(chunk)
        self.size += len(chunk)

    def commit(self) -> str:
        """Give the file its name, durably; returns its SHA-256 in hexadecimal digits."""
        with _spoken():
            self._spool.check_own_folder()
            self.stamp = self._file.commit()
        return self._hash.hexdigest()


@contextmanager
def _spoken() -> Iterator[None]:
    """What the system says, in words for a client: where the spool is, is for the log only."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or "unknown"
        if error.errno in _NO_ROOM:
            raise SpoolFull(f"the disk of the spool is full ({reason})") from error
        raise TargetFailed(f"the spool cannot be written ({reason})") from error


def _is_ours(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder of this user's: below a shared temporary directory others may make what looks like
    one.
    """
    with suppress(OSError):
        found = entry.stat(follow_symlinks=False)
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    return False


def _abandoned(folder: Path) -> bool:
    """Whether nobody holds the folder's lock any more."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        # Its last files went, then its lock; what was to follow did not happen, or does now.
        return True
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


def _files(folder: Path) -> list[Path]:
    with suppress(OSError):
        return [path for path in folder.iterdir() if path.name != LOCK]
    return []


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _remove_if_empty(folder: Path) -> None:
    """Remove a folder that has no file but its lock."""
    if not _files(folder):
        _unlink(folder / LOCK)
        with suppress(OSError):
            folder.rmdir()
