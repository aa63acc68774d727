"""The digest of what an export writes."""

from __future__ import annotations

import hashlib

__all__ = ["Digest"]


class Digest:
    """SHA-256 of the chunks that it is given."""

    def __init__(self) -> None:
        self._hasher = hashlib.sha256()

    def update(self, chunk: bytes) -> None:
        """The next bytes."""
        self._hasher.update(chunk)

    @property
    def sha256(self) -> str:
        """The digest so far, in hexadecimal digits."""
        return self._hasher.hexdigest()
