"""Temporary files that killed processes have left in a folder (``.NAME.<random>.part``)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from polyglot_export.destinations.descriptor import naming
from polyglot_export.destinations.file import local_path, part_pattern
from polyglot_export.destinations.store import Unfinished

__all__ = ["TemporaryFiles"]


class TemporaryFiles:
    """Those of a folder and of all folders below it; or those of one file.

    Args:
        name: Path or ``file://`` URL of a folder, or of a file that was to be written.
    """

    def __init__(self, name: str) -> None:
        path = Path(local_path(name))
        self.url = name.rstrip("/") or "/"
        """As the user wrote it."""
        self._only = None if path.is_dir() else path.name
        self._folder = path if self._only is None else path.parent

    def unfinished(self) -> Iterator[Unfinished]:
        """What killed processes left, and what running ones write just now.

        Raises:
            TargetFailed: A folder cannot be read.
        """
        pattern = part_pattern()
        for folder, names in self._folders():
            for name in sorted(names):
                match = pattern.fullmatch(name)
                # The name in it may have been cut to what the file system accepts.
                if match is None or (self._only is not None and not self._only.startswith(match[1])):
                    continue
                path = Path(folder, name)
                with naming(str(path), "read"):
                    touched = datetime.fromtimestamp(path.lstat().st_mtime, UTC)
                yield Unfinished(self._path_of(path, match[1]), str(path), touched)

    def end(self, unfinished: Unfinished) -> None:
        """Remove one. It is no error if it is gone.

        Raises:
            TargetFailed: It cannot be removed.
        """
        with naming(unfinished.token, "remove"):
            Path(unfinished.token).unlink(missing_ok=True)

    def _path_of(self, path: Path, name: str) -> str:
        """What a temporary file was to become, below what was asked for; empty text for the one file itself."""
        return "" if self._only is not None else str(path.relative_to(self._folder).with_name(name))

    def _folders(self) -> Iterator[tuple[str, list[str]]]:
        """Every folder with the names of its files; links to folders are not followed."""
        if self._only is not None:
            with naming(str(self._folder), "read"):
                yield str(self._folder), [entry.name for entry in os.scandir(self._folder) if _is_file(entry)]
            return

        def refuse(error: OSError) -> None:
            with naming(str(error.filename), "read"):
                raise error

        for folder, below, names in os.walk(self._folder, onerror=refuse):
            below.sort()
            yield folder, names


def _is_file(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False)
