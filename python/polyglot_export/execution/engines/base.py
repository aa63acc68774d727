"""What an engine is, and the stream of bytes that it gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from polyglot_export.planning.plan import Plan

if TYPE_CHECKING:
    from polyglot_export._core import Sha256, Writer

__all__ = ["ChunkStream", "Engine", "FileChunk", "FileStream", "StreamProgress"]


class StreamProgress(Protocol):
    """How far a stream is. The numbers are from one moment and fit together."""

    @property
    def rows(self) -> int:
        """Rows whose bytes have been handed out."""

    @property
    def bytes(self) -> int:
        """Bytes handed out, after compression."""

    @property
    def segments_done(self) -> int:
        """Segments that have been handed out completely."""

    @property
    def segments_total(self) -> int:
        """Segments of the plan."""

    @property
    def losses(self) -> Sequence[int]:
        """How many values an option made NULL, replaced or dropped, for each column of the plan."""


class ChunkStream(Protocol):
    """The bytes of one export, pulled in order.

    One thread pulls; any thread may call the other methods. Nothing is read before the first chunk is asked for.
    """

    def next_chunk(self) -> bytes | None:
        """Wait for the next chunk; ``None`` means that all rows have been handed out.

        Raises:
            PolyglotError: The export has failed; every later call raises again, so that it never looks complete.
        """

    def write_chunk(self, writer: Writer, hasher: Sha256 | None = None) -> int | None:
        """Wait for the next chunk and write it; gives its bytes, and ``None`` where all rows have been handed out.

        Args:
            writer: Where to.
            hasher: Gets the same bytes.

        Raises:
            OSError: The bytes could not be written; the stream is cancelled.
            PolyglotError: As :meth:`next_chunk`.
        """

    def progress(self) -> StreamProgress:
        """How far the stream is. Never blocks."""

    def cancel(self) -> None:
        """Cancel the queries in the server; from now on ``next_chunk`` raises ``Cancelled``. Does not block."""

    def close(self) -> None:
        """Cancel what still runs, and wait until every connection is closed. May be called again."""


class FileChunk(Protocol):
    """What happens to one of several files."""

    @property
    def number(self) -> int:
        """Of the file; they are numbered from 0 as they begin."""

    @property
    def begins(self) -> bool:
        """Whether it begins, without bytes yet."""

    @property
    def value(self) -> str | None:
        """Where it begins: the value of its rows; ``None`` for those that have none."""

    @property
    def content(self) -> bytes:
        """Its next bytes."""

    @property
    def ends(self) -> bool:
        """Whether it is complete."""

    @property
    def rows(self) -> int:
        """Where it ends: how many it has."""

    @property
    def losses(self) -> Sequence[int]:
        """Where it ends: as those of :class:`StreamProgress`."""

    @property
    def replaced(self) -> int:
        """Where it ends: rows with a value that no folder can tell from having none."""


class FileStream(Protocol):
    """The bytes of one export whose rows go into several files; otherwise as :class:`ChunkStream`."""

    def next_chunk(self) -> FileChunk | None:
        """Wait for what comes next; ``None`` means that all files are complete.

        Raises:
            PolyglotError: The export has failed; every later call raises again, so that it never looks complete.
        """

    def progress(self) -> StreamProgress:
        """How far the stream is. Never blocks."""

    def cancel(self) -> None:
        """Cancel the queries in the server; from now on ``next_chunk`` raises ``Cancelled``. Does not block."""

    def close(self) -> None:
        """Cancel what still runs, and wait until every connection is closed. May be called again."""


class Engine(Protocol):
    """Runs plans. The bytes depend on the plan alone, so every engine gives the same."""

    @property
    def name(self) -> str:
        """Its name in the registry."""

    def open(self, plan: Plan) -> ChunkStream:
        """The bytes of a plan.

        Args:
            plan: The plan. Its leader must stay connected until the stream has ended.
        """

    def open_files(self, plan: Plan) -> FileStream:
        """The bytes of a plan with a route.

        Args:
            plan: The plan. Its leader must stay connected until the stream has ended.
        """
