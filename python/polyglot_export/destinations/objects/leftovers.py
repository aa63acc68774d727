"""Uploads that could not be ended when they failed, since the store was gone: they are tried again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from polyglot_export.destinations.objects.uploads import Uploads

__all__ = ["Leftovers"]

PAUSE_SECONDS = 1.0
"""Between two attempts."""


class Leftovers:
    """The uploads of one bucket that are to be ended. May be used by several threads at once.

    Args:
        uploads: Opens the bucket's list of uploads; gives ``None`` for a provider that forgets them by itself.
    """

    def __init__(self, uploads: Callable[[], Uploads | None]) -> None:
        self._uploads = uploads
        self._lock = threading.Lock()
        self._left: set[tuple[str, str | None]] = set()

    def end(self, key: str, token: str | None, seconds: float) -> bool:
        """End an upload, and those that are remembered; what cannot be ended within so many seconds is remembered.

        Args:
            key: Of the object.
            token: The identifier of the upload. Where nobody has told it, the only one of this key is meant; of
                several, one may be somebody else's, and all are left.
            seconds: How long to try; once, at least.

        Returns:
            Whether this one is gone.
        """
        with self._lock:
            self._left.add((key, token))
        deadline = time.monotonic() + seconds
        while self.try_again() and time.monotonic() + PAUSE_SECONDS < deadline:
            time.sleep(PAUSE_SECONDS)
        with self._lock:
            return (key, token) not in self._left

    def try_again(self) -> int:
        """End what is remembered, each once.

        Returns:
            How many are left.
        """
        with self._lock:
            left = list(self._left)
        if not left:
            return 0
        try:
            uploads = self._uploads()
            for key, token in left:
                if uploads is None or _ended(uploads, key, token):
                    with self._lock:
                        self._left.discard((key, token))
        except Exception:  # noqa: BLE001 - of whatever library; the store is still gone, or refuses it
            return len(left)
        with self._lock:
            return len(self._left)


def _ended(uploads: Uploads, key: str, token: str | None) -> bool:
    """End an upload, if it is certain which one is meant; gives whether it is gone."""
    if token is None:
        found = [each.token for each in uploads.begun(key) if each.key == key]
        if len(found) > 1:
            return False
        if not found:
            return True
        token = found[0]
    uploads.end(key, token)
    return True
