"""A folder as a store that can be read, until the program has one of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn, Self

from polyglot_export.destinations.base import Capabilities
from polyglot_export.destinations.file import FileDestination
from polyglot_export.destinations.store import Store, StoredFile, Unfinished
from polyglot_export.errors import TargetFailed


class ReadFolder(Store):
    """Reads; what writes is not needed."""

    capabilities = Capabilities(atomic=True, streaming=False, named_by_format=True)

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    @classmethod
    def accepts(cls, url: str) -> bool:
        return "://" not in url

    @classmethod
    def at(cls, url: str) -> Self:
        return cls(url)

    @property
    def url(self) -> str:
        return str(self._path)

    def files(self, below: str = "") -> Iterator[StoredFile]:
        found = sorted(path for path in (self._path / below).rglob("*") if path.is_file())
        return (StoredFile(str(path.relative_to(self._path)), path.stat().st_size) for path in found)

    def size(self, path: str) -> int | None:
        try:
            return (self._path / path).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, path: str, start: int, length: int) -> bytes:
        try:
            with (self._path / path).open("rb") as file:
                return os.pread(file.fileno(), length, start)
        except OSError as error:
            raise TargetFailed(f"cannot read {path}: {error.strerror}") from error

    def check(self) -> NoReturn:
        raise NotImplementedError

    def file(self, path: str) -> FileDestination:
        return FileDestination(self._path / path)

    def create(self, path: str, content: bytes) -> NoReturn:
        raise NotImplementedError

    def replace(self, path: str, content: bytes) -> NoReturn:
        raise NotImplementedError

    def remove(self, path: str) -> NoReturn:
        raise NotImplementedError

    def unfinished(self) -> Iterator[Unfinished]:
        raise NotImplementedError

    def end(self, unfinished: Unfinished) -> NoReturn:
        raise NotImplementedError
