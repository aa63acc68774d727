"""What a store is: a place that holds a set of files, such as a folder or a prefix of a bucket.

A single export goes into one :class:`~polyglot_export.destinations.base.Destination`; a dump opens one for each part,
all in the same store, and writes its manifest there at the end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from polyglot_export.destinations.base import Capabilities, Destination

__all__ = ["Store", "StoredFile", "Unfinished"]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that can be read."""

    path: str
    """Relative to the store, with ``/`` between its parts."""
    bytes: int


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What a process that was killed left: never readable as a file, but it takes room and may cost money."""

    path: str
    """The file that it was to become."""
    token: str
    """What the store knows it by: the name of a temporary file, the identifier of an upload."""
    touched: datetime | None = None
    """When somebody last did something for it, with its zone: the last write to a temporary file, the begin of an
    upload. ``None`` where the store does not say."""


class Store(ABC):
    """Where a set of files goes. Methods raise :class:`~polyglot_export.errors.TargetFailed` with the system's reason.

    May be used by several threads at once. Paths are relative, have ``/`` between their parts, and hold neither ``..``
    nor an empty part.
    """

    capabilities: ClassVar[Capabilities]

    @classmethod
    @abstractmethod
    def accepts(cls, url: str) -> bool:
        """Whether a path or URL, as a user writes it, stands for a store of this kind. Never raises."""

    @classmethod
    @abstractmethod
    def at(cls, url: str) -> Self:
        """The store that a path or URL stands for; nothing is opened yet."""

    @property
    @abstractmethod
    def url(self) -> str:
        """Where it is, for messages; without credentials."""

    def load(self) -> None:  # noqa: B027 - most work with nothing that is not there already
        """Import what it works with, so that this is in the memory of the process before somebody counts that. Nothing
        is asked of the store, and nothing is raised.
        """

    @abstractmethod
    def check(self) -> None:
        """See that it can be written, as far as that can be known before anything is."""

    @abstractmethod
    def file(self, path: str) -> Destination:
        """The destination of one file; nothing is opened yet. Folders above it are made when it is opened."""

    @abstractmethod
    def files(self, below: str = "") -> Iterator[StoredFile]:
        """Every file below a path, in the order of their paths. A store that is not there yet has none."""

    @abstractmethod
    def size(self, path: str) -> int | None:
        """Bytes of a file; ``None`` where there is none."""

    @abstractmethod
    def read(self, path: str, start: int, length: int) -> bytes:
        """Bytes of a file from ``start`` on; fewer than ``length`` at its end only."""

    def link(self, path: str, seconds: float) -> str | None:  # noqa: ARG002 - of those that have links
        """A URL by which anybody may read a file for some seconds; ``None`` where files are read through here only.
        Whether there is such a file is not asked.
        """
        return None

    @abstractmethod
    def create(self, path: str, content: bytes) -> bool:
        """Write a small file in one piece if there is none of that name; ``False`` if there is one. Of two that do so
        at once one wins.
        """

    @abstractmethod
    def replace(self, path: str, content: bytes) -> None:
        """Write a small file in one piece, over the one that is there."""

    @abstractmethod
    def remove(self, path: str) -> None:
        """Remove a file, and the folders that are empty then. It is no error if there is none."""

    def remove_if_empty(self) -> None:  # noqa: B027 - only folders are there without a file
        """Remove the place itself where nothing is in it. Never raises."""

    @abstractmethod
    def unfinished(self) -> Iterator[Unfinished]:
        """What killed processes left, and what running ones write just now: the store cannot tell them apart."""

    @abstractmethod
    def end(self, unfinished: Unfinished) -> None:
        """Remove what was left. It is no error if it is gone."""
