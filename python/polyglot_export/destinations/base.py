"""What a destination is: a place that takes the bytes of one export.

A destination is a context manager. ``commit()`` makes what was written visible and is called only when the export is
complete; leaving the ``with`` block without it takes everything back that can be taken back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

__all__ = ["Capabilities", "Destination"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a kind of destination can promise."""

    atomic: bool
    """What is there appears complete or not at all, and whatever it replaces is untouched until then. Where this is
    false, what has been written cannot be taken back."""
    streaming: bool
    """Somebody may read each chunk as it is written, and wants the first rows early; others want large writes."""
    named_by_format: bool
    """The ending of its name says what is in it. The name of a device or of a FIFO says nothing."""


class Destination(ABC):
    """Where one export goes. All methods but those that never raise raise
    :class:`~polyglot_export.errors.TargetFailed` with the system's reason.
    """

    kind: ClassVar[str]
    """What this is, for people."""
    capabilities: ClassVar[Capabilities]

    @classmethod
    @abstractmethod
    def accepts(cls, name: str) -> bool:
        """Whether a name, as a user writes it, stands for a destination of this kind. Never raises."""

    @classmethod
    @abstractmethod
    def named(cls, name: str) -> Destination:
        """The destination that a name stands for; nothing is opened yet."""

    @abstractmethod
    def __enter__(self) -> Self:
        """Open it."""

    def __exit__(self, *exc_info: object) -> None:
        """Close it; without :meth:`commit`, discard it."""
        self.discard()

    @abstractmethod
    def write(self, chunk: bytes) -> None:
        """Append a chunk, whole."""

    @abstractmethod
    def commit(self) -> None:
        """Make what was written visible under its name, durably. Afterwards the destination is closed."""

    @abstractmethod
    def discard(self) -> None:
        """Close, and take back what was written as far as that can be done. Never raises; does nothing after
        :meth:`commit`.
        """

    @abstractmethod
    def abandon(self) -> None:
        """Take back what was written while another thread may be writing, as the last act of a process. Never
        raises.
        """

    @abstractmethod
    def pipe(self) -> int | None:
        """The descriptor of a pipe whose reader may leave, for ``poll``; ``None`` for everything else."""
