"""A wish to stop that any thread may make, also while an export is still being opened."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

__all__ = ["CancelToken"]


class CancelToken:
    """Set once, never cleared.

    Callbacks run in the thread that cancels, which may be that of an event loop: they must not block.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._cancelled = False
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._next = 0

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` has been called."""
        return self._cancelled

    def cancel(self) -> None:
        """Ask for a stop. Later calls do nothing."""
        with self._lock:
            if self._cancelled:
                return
            self._cancelled = True
            callbacks = list(self._callbacks.values())
            self._callbacks.clear()
        for callback in callbacks:
            callback()

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` once when the token is cancelled, at once where it already is.

        Returns:
            A function that takes the callback back; it does nothing where the callback has run.
        """
        with self._lock:
            if not self._cancelled:
                key = self._next
                self._next += 1
                self._callbacks[key] = callback
                return lambda: self._forget(key)
        callback()
        return lambda: None

    def _forget(self, key: int) -> None:
        with self._lock:
            self._callbacks.pop(key, None)
