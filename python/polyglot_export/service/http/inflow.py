"""What a connection has received and its parser has not read yet, handed out in pieces.

httptools cannot be stopped in the middle of what it is given: ten thousand requests in one read are ten thousand
requests in memory. So no piece reaches beyond the message that it belongs to.
"""

from __future__ import annotations

__all__ = ["Inflow"]

_END = b"\r\n\r\n"
"""Ends every head, and every chunked body (RFC 9112, sections 2.1 and 7.1): httptools takes no other line ends."""


class Inflow:
    """Received bytes in their order."""

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self._tail = b""

    def __len__(self) -> int:
        return len(self._data) - self._at

    def add(self, data: bytes) -> None:
        """Put received bytes behind those that wait."""
        self._data = self._data[self._at :] + data if len(self) else data
        self._at = 0

    def clear(self) -> None:
        """Throw away what waits."""
        self._data = b""
        self._at = 0
        self._tail = b""

    def begin_message(self) -> None:
        """What comes next is the head of another message."""
        self._tail = b""

    def take_of_head(self, most: int) -> memoryview:
        """Up to the end of the head, if that is among the next ``most`` bytes; otherwise all of these."""
        # The four bytes of the end may have come in two pieces.
        seam = (self._tail + self._data[self._at : self._at + len(_END) - 1]).find(_END)
        if seam >= 0:
            end = self._at + seam + len(_END) - len(self._tail)
        else:
            found = self._data.find(_END, self._at, self._at + most)
            end = found + len(_END) if found >= 0 else self._at + most
        piece = self.take(min(end - self._at, most))
        self._tail = (self._tail + bytes(piece[-3:]))[-3:]
        return piece

    def take(self, most: int) -> memoryview:
        """The next bytes, at most so many."""
        end = min(self._at + most, len(self._data))
        piece = memoryview(self._data)[self._at : end]
        self._at = end
        if end == len(self._data):
            self._data, self._at = b"", 0
        return piece
