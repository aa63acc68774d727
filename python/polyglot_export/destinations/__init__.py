"""Where the bytes of an export go: a file beside its final name, or standard output.

A sink is a context manager. ``commit()`` makes what was written visible and is called only when the export is complete;
leaving the ``with`` block without it takes everything back that can be taken back.
"""

from __future__ import annotations

from typing import Protocol, Self

from polyglot_export.destinations.file import FileSink
from polyglot_export.destinations.stdout import StdoutSink

__all__ = ["FileSink", "Sink", "StdoutSink"]


class Sink(Protocol):
    """What an export writes into. All methods raise :class:`~polyglot_export.errors.TargetFailed`."""

    def __enter__(self) -> Self:
        """Open the target."""

    def __exit__(self, *exc_info: object) -> None:
        """Close the target; without :meth:`commit`, discard it."""

    def write(self, chunk: bytes) -> None:
        """Append a chunk, whole."""

    def commit(self) -> None:
        """Make what was written visible under its name, durably."""

    def discard(self) -> None:
        """Close, and take back what was written as far as the target allows it. Never raises."""

    def abandon(self) -> None:
        """Take back what was written while another thread may be writing, as the last act of a process. Never
        raises.
        """

    def pipe(self) -> int | None:
        """The descriptor when the target is a pipe whose reader may leave, for ``poll``; ``None`` for all others."""
