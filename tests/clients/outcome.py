"""What a client is asked to fetch, and what came of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Connection", "Outcome", "Task", "Trust"]


class Connection(enum.Enum):
    """Over which connection a download goes."""

    KEPT = "kept"
    """Over one that has carried another answer."""
    FRESH = "fresh"
    """Over one that has carried nothing: the download before it, if any, was cut."""
    CLOSING = "closing"
    """Over a new one, and the client asks for ``Connection: close``."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What a client must know of a service that speaks HTTPS.

    Attributes:
        ca: The authority, in PEM.
        java: The same as Java's trust store.
        spki: The digest of the certificate's key, by which Chromium can be told to take it.
    """

    ca: Path
    java: Path
    spki: str


@dataclass(frozen=True, slots=True)
class Task:
    """One download.

    Attributes:
        url: What to fetch; its scheme is that of the path to the service.
        warm: Another address of the same origin, for :attr:`Connection.KEPT`.
        connection: Over which connection.
        trust: Where it speaks HTTPS.
    """

    url: str
    warm: str
    connection: Connection
    trust: Trust | None = None

    def line(self) -> dict[str, object]:
        """For the programs in ``programs/``."""
        return {
            "url": self.url,
            "warm": self.warm if self.connection is Connection.KEPT else None,
            "close": self.connection is Connection.CLOSING,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the client's user gets.

    Attributes:
        error: What the client reported; ``None`` where it took the body for whole.
        status: Of the answer it took.
        size: Bytes of the body.
        sha256: Of the body, decoded or not, as the client gives it.
    """

    error: str | None
    status: int = 0
    size: int = 0
    sha256: str = ""
