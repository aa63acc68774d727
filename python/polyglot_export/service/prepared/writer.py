"""Writes an export into a file of the spool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from polyglot_export.cancel import CancelToken
from polyglot_export.execution.export import Export
from polyglot_export.service.background.thread import in_thread
from polyglot_export.service.prepared.spool import SpoolFile
from polyglot_export.service.replicas.active import ActiveRun

__all__ = ["FileWriter", "Opener", "Written"]

Opener = Callable[[CancelToken], Export]
"""Opens an export in the thread that will pull it; obeys the token."""


@dataclass(frozen=True, slots=True)
class Written:
    """A complete file."""

    size: int
    sha256: str
    rows: int
    stamp: str | None


class FileWriter:
    """Writes one file, once.

    Memory:
        The chunk that is being written; those before it are the export's.
    """

    def __init__(self, opener: Opener, target: SpoolFile, active: ActiveRun) -> None:
        """Set up; nothing runs before :meth:`write`.

        Args:
            opener: Opens the export.
            target: Not entered yet.
            active: The run, which is told how far it is.
        """
        self._opener = opener
        self._target = target
        self._active = active
        self._loop = asyncio.get_running_loop()

    async def write(self) -> Written:
        """Write the file and wait for it, as :func:`in_thread` does.

        Raises:
            PolyglotError: The export or the spool failed; nothing is left of the file.
        """
        return await in_thread(self._write, "polyglot-file")

    def _write(self, token: CancelToken) -> Written:
        with self._target as target:
            with self._opener(token) as export:
                self._loop.call_soon_threadsafe(self._opened, export)
                while (chunk := export.next_chunk()) is not None:
                    target.write(chunk)
                    self._active.bytes = target.size
            # The database is let go before the disk is waited for.
            digest = target.commit()
            return Written(target.size, digest, export.result().rows, target.stamp)

    def _opened(self, export: Export) -> None:
        self._active.progress = export.progress
        self._active.snapshot = export.snapshot
