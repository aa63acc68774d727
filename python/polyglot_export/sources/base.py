"""What every source of rows has."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Source"]


class Source(Protocol):
    """Where the rows of an export come from: plain data, made without a database.

    ``planning/locate.py`` finds the rows.
    """

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The only columns that may be read; ``None`` for all."""

    @property
    def title(self) -> str:
        """The dataset's name for people and manifests."""
