"""The configuration file that is read and written: whole, or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from polyglot_export.errors import SpecError

__all__ = ["DEFAULT", "change_file", "configured", "read_file"]

DEFAULT = "polyglot.toml"


def configured(given: str | None) -> Path:
    """The file that is meant, as ``polyglot serve`` finds it."""
    return Path(given or os.environ.get("POLYGLOT_CONFIG") or DEFAULT)


def read_file(path: Path) -> str:
    """What is in it, with its ends of lines.

    Raises:
        SpecError: It cannot be read, or is no text.
    """
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise SpecError(str(path), f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SpecError(str(path), "is not text in UTF-8") from None


def change_file(path: Path, change: Callable[[str], str], *, create: bool = False) -> None:
    """Replace what is in it. Its rights and its owner stay; a link stays a link.

    Args:
        path: The file.
        change: What is to be there, by what is there.
        create: Whether it may be new.

    Raises:
        SpecError: It cannot be read or written, or the change is refused; then it is as it was.
    """
    try:
        text = "" if create and not path.exists() else read_file(path)
        changed = change(text)
    except SpecError as error:
        field = str(path) if error.field in (None, str(path)) else f"{path}: {error.field}"
        raise SpecError(field, error.reason) from None
    try:
        _replace(path.resolve(), changed.encode())
    except OSError as error:
        raise SpecError(str(path), f"cannot be written: {error.strerror}") from None


def _replace(path: Path, content: bytes) -> None:
    descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            _take_over(file.fileno(), path)
            os.fsync(file.fileno())
        Path(beside).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(beside).unlink()
        raise


def _take_over(descriptor: int, path: Path) -> None:
    """Give a new file the rights of the one that it replaces: the service must still be able to read it."""
    try:
        before = path.stat()
    except FileNotFoundError:
        mask = os.umask(0o022)
        os.umask(mask)
        os.fchmod(descriptor, 0o666 & ~mask)
        return
    if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(descriptor, before.st_uid, before.st_gid)
    os.fchmod(descriptor, before.st_mode & 0o7777)
