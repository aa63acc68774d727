"""What a destination is: a place that takes the bytes of one export.

A destination is a context manager. ``commit()`` makes what was written visible and is called only when the export is
complete; leaving the ``with`` block without it removes what was written, as far as that is possible.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import PurePath
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol, Self

if TYPE_CHECKING:
    from polyglot_export._core import Sha256, Writer

__all__ = ["Capabilities", "Chunks", "Destination"]


class Capabilities(NamedTuple):
    """What a kind of destination can promise."""

    atomic: bool
    """The result appears complete or not at all, and what it replaces stays untouched until then. Where this is false,
    bytes that were written cannot be taken back."""
    streaming: bool
    """Somebody may read the chunks while they are written, and wants the first rows early. Elsewhere large writes are
    better."""
    named_by_format: bool
    """The ending of the name says what the bytes are. The name of a device or of a FIFO says nothing about that."""
    memory_bytes: int = 0
    """What it holds of an export at most, beside the chunk that it is given."""


class Chunks(Protocol):
    """What a destination takes bytes from: an export, or the stream of one."""

    def next_chunk(self) -> bytes | None:
        """Wait for the next chunk; ``None`` at the end."""

    def write_chunk(self, writer: Writer, hasher: Sha256 | None = None) -> int | None:
        """Wait for the next chunk and write it; gives its bytes, or ``None`` at the end."""


class Destination(ABC):
    """Where one export goes. A method that can fail raises :class:`~polyglot_export.errors.TargetFailed` with the
    system's reason.
    """

    kind: ClassVar[str]
    """A word for this kind of destination, for messages."""
    capabilities: ClassVar[Capabilities]
    schemes: ClassVar[tuple[str, ...]] = ()
    """Of the URLs that stand for destinations of this kind."""
    remains: str | None = None
    """After :meth:`discard`: what could not be removed and how to remove it, as a sentence."""

    @classmethod
    @abstractmethod
    def accepts(cls, name: str) -> bool:
        """Whether a name, as a user writes it, stands for a destination of this kind. Never raises."""

    @classmethod
    @abstractmethod
    def named(cls, name: str) -> Destination:
        """The destination that a name stands for; nothing is opened yet."""

    @classmethod
    def file_name(cls, name: str) -> str:
        """The last part of a name, whose ending says what the bytes are.

        Raises:
            SpecError: No file can be meant.
        """
        return PurePath(name).name

    @abstractmethod
    def __enter__(self) -> Self:
        """Open it."""

    def __exit__(self, *exc_info: object) -> None:
        """Close it; without :meth:`commit`, discard it."""
        self.discard()

    @abstractmethod
    def write(self, chunk: bytes) -> None:
        """Append a chunk. Returns when all of it is written."""

    def take(self, chunks: Chunks, hasher: Sha256 | None = None) -> int | None:
        """Append the next chunk of an export. Returns when all of it is written.

        Args:
            chunks: The export.
            hasher: Gets the same bytes.

        Returns:
            The bytes of the chunk; ``None`` where there are no more.

        Raises:
            PolyglotError: What the export raised.
        """
        chunk = chunks.next_chunk()
        if chunk is None:
            return None
        self.write(chunk)
        if hasher is not None:
            hasher.update(chunk)
        return len(chunk)

    @abstractmethod
    def commit(self) -> None:
        """Make what was written visible under its name, durably. Afterwards the destination is closed."""

    @abstractmethod
    def discard(self) -> None:
        """Close, and remove what was written as far as that is possible. Never raises; does nothing after
        :meth:`commit`.
        """

    def stop(self) -> None:  # noqa: B027 - most writes do not wait for anybody
        """Let a write or commit fail soon that another thread waits for, if somebody at the other end may be waited for
        long. Does not block; the destination is still to be discarded.
        """

    @abstractmethod
    def abandon(self) -> None:
        """Remove what was written although another thread may still be writing. It is the last act of a process that
        does not wait for this thread. Never raises.
        """

    @abstractmethod
    def pipe(self) -> int | None:
        """The descriptor to watch by ``poll`` if this is a pipe, whose reader may leave; otherwise ``None``."""
