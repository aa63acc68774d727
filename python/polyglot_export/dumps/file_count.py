"""Counts the files that the values of a column make, as they are begun: nobody knows before how many there will be."""

from __future__ import annotations

import json
import threading
from typing import Final

from polyglot_export.errors import SpecError
from polyglot_export.limits import DUMP_FILES, MANIFEST_BYTES

__all__ = ["ENTRY_BYTES", "FileCount"]

ENTRY_BYTES: Final = 300
"""Of a file in the manifest, beside its path and value: numbers of up to 19 digits, the digest, their names and the
indent."""
_FEWER: Final = "choose a column with fewer values, a longer time, or a query that orders its rows by it"


class FileCount:
    """The files of one relation. All parts of it that this process writes share one, and may be written by several
    threads.

    Args:
        column: Whose values make the files.
        title: Of the relation.
    """

    def __init__(self, column: str, title: str) -> None:
        self._column = column
        self._title = title
        self._lock = threading.Lock()
        self._files = 0
        self.manifest_bytes = 0
        """What they take in the manifest, about."""

    def add(self, path: str, value: str | None) -> None:
        """Count a file before it is begun.

        Raises:
            SpecError: There would be more than a relation may have, or than a manifest has room for.
        """
        size = ENTRY_BYTES + len(json.dumps(path)) + len(json.dumps(value))
        with self._lock:
            self._files += 1
            self.manifest_bytes += size
            files, total = self._files, self.manifest_bytes
        if files > DUMP_FILES:
            self._refuse(f"more than {DUMP_FILES:,} files")
        if total > MANIFEST_BYTES:
            self._refuse(f"a manifest of more than {MANIFEST_BYTES >> 20} MiB")

    def remove(self, path: str, value: str | None) -> None:
        """A file is taken back: its part is read again."""
        size = ENTRY_BYTES + len(json.dumps(path)) + len(json.dumps(value))
        with self._lock:
            self._files -= 1
            self.manifest_bytes -= size

    def _refuse(self, what: str) -> None:
        raise SpecError(None, f"the values of {self._column!r} make {what} of {self._title}: {_FEWER}")
