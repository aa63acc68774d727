"""What every engine does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from polyglot_export.planning.plan import Plan

__all__ = ["ChunkStream", "Engine", "StreamProgress"]


class StreamProgress(Protocol):
    """How far a stream is, consistent in itself."""

    @property
    def rows(self) -> int:
        """Rows whose bytes have been handed out."""

    @property
    def bytes(self) -> int:
        """Bytes handed out, after compression."""

    @property
    def segments_done(self) -> int:
        """Segments handed out whole."""

    @property
    def segments_total(self) -> int:
        """Segments of the plan."""

    @property
    def losses(self) -> Sequence[int]:
        """Values that were nulled, replaced or dropped as an option asked for: a number for each column of the plan."""


class ChunkStream(Protocol):
    """The bytes of one export, pulled in order.

    One thread pulls; the other methods may be called from any. Nothing is read before the first chunk is asked for.
    """

    def next_chunk(self) -> bytes | None:
        """Wait for the next chunk; ``None`` means that all rows have been handed out.

        Raises:
            PolyglotError: The export has failed; every later call raises again, so that it can never look complete.
        """

    def progress(self) -> StreamProgress:
        """How far it is; never blocks."""

    def cancel(self) -> None:
        """Cancel the queries in the server; ``next_chunk`` raises ``Cancelled`` from now on. Does not block."""

    def close(self) -> None:
        """Cancel what still runs and wait until every connection is gone. Idempotent."""


class Engine(Protocol):
    """Turns a plan into its bytes. They are a function of the plan: every engine gives the same ones."""

    @property
    def name(self) -> str:
        """Its name in the registry."""

    def open(self, plan: Plan) -> ChunkStream:
        """The bytes of a plan.

        Args:
            plan: Its leader holds the moment at least until the stream has ended.
        """
