"""Uploads that were begun and never completed: they are no objects, and cost money until somebody ends them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

__all__ = ["BegunUpload", "Uploads"]


@dataclass(frozen=True, slots=True)
class BegunUpload:
    """One of them."""

    key: str
    token: str
    """The provider's identifier of it."""
    begun: datetime | None


class Uploads(Protocol):
    """Those of one bucket. Methods raise the errors of the library that is asked."""

    def begun(self, prefix: str) -> Iterator[BegunUpload]:
        """Those whose keys begin so, in the order of the keys."""

    def end(self, key: str, token: str) -> None:
        """End one. It is no error if it is gone."""
