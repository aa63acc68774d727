"""How fast a client takes what waits for it, and when that is too slow.

A client that takes nothing holds memory here and, while its export is streamed, a snapshot of the database.
"""

from __future__ import annotations

from collections import deque

__all__ = ["STALL_TICK", "ClientPace"]

STALL_TICK = 1.0
"""Seconds between two looks at a client that takes nothing."""


class ClientPace:
    """Judges one client by what its kernel has acknowledged while something waited for it.

    Only the time counts in which bytes wait for the client: a slow query is not the client's fault. Only the last
    seconds are judged, so a client that was fast at first cannot stall on what it has saved up.
    """

    def __init__(self, window: float, least_rate: float) -> None:
        """Set up.

        Args:
            window: Seconds over which the rate is measured.
            least_rate: Bytes a second that the client must take on average; a client that takes less than one byte in
                a window is too slow in any case.
        """
        self.window = window
        self._least = max(1.0, window * least_rate)
        self._seen: deque[tuple[float, int]] = deque()

    def too_slow(self, at: float, taken: int | None) -> bool:
        """Look at the client once more.

        Args:
            at: The time, in seconds of any clock that only goes forward.
            taken: Bytes that it has acknowledged since its response began, or ``None`` while nothing waits for it.

        Returns:
            Whether it has taken less than it must in the whole window.
        """
        if taken is None:
            self._seen.clear()
            return False
        self._seen.append((at, taken))
        # The oldest look that is kept is the last one that is at least a whole window ago.
        while len(self._seen) > 1 and at - self._seen[1][0] >= self.window:
            self._seen.popleft()
        since, before = self._seen[0]
        return at - since >= self.window and taken - before < self._least
