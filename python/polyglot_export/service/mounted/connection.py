"""A request of a server that is not ours, as far as a response may touch its connection.

Our own server resets the connection of an export that fails. Of another one nothing is known but ASGI: an app that
raises after its answer has begun is what makes a server leave the answer without its end, by closing the connection or
resetting the stream. So a cut is noted here, and raised when the response has given back what it held.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.types import Message, Receive, Scope, Send

__all__ = ["AppConnection", "BrokenTransfer"]

PIECE = 64 << 10
"""Bytes that the server is given at once. It waits for room before it takes more, and that is all that shows how much a
client has taken."""

GUARD = "polyglot.cut"
"""The key of what ``integrations.cut.CutBroken`` puts into the extensions of a scope: with a ``failure`` it lets
nothing more of the answer through, whatever middleware is in between."""
BROKEN = "an export failed after its answer had begun, and is broken off"


class BrokenTransfer(Exception):
    """An answer that had begun cannot be completed; raised out of the app, so that its server breaks the transfer off.
    The log of the service has the reason.
    """


class AppConnection:
    """The same for a response as :class:`~polyglot_export.service.http.connection.Connection`."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.aborted = False
        """Whether the answer must not look complete."""
        self.gone = False
        """Whether the client has left, so that there is nobody to show it to."""
        self._guard = (scope.get("extensions") or {}).get(GUARD)
        self._receive = receive
        self._send = send
        self._pending = 0

    def abort(self) -> None:
        """Let the answer be broken off."""
        self.aborted = True
        if self._guard is not None and not self.gone:
            self._guard.failure = BrokenTransfer(BROKEN)

    def unacknowledged(self) -> int:
        """Bytes that the server has not taken yet."""
        return self._pending

    def hold_requests(self) -> None:
        """Nothing: further requests of the connection are the server's."""

    def check(self) -> None:
        """Raise what was noted, after the response.

        Raises:
            BrokenTransfer: It was cut.
        """
        if self.aborted and not self.gone:
            raise BrokenTransfer(BROKEN)

    async def receive(self) -> Message:
        """The next message of the server."""
        message = await self._receive()
        self.gone = self.gone or message["type"] == "http.disconnect"
        return message

    async def send(self, message: Message) -> None:
        """Give the server a message, in pieces; nothing once the answer was cut."""
        if self.aborted:
            return
        body: bytes = message.get("body", b"")
        if len(body) <= PIECE:
            self._pending = len(body)
            await self._send(message)
        else:
            await self._send_pieces(message, body)
        self._pending = 0

    async def _send_pieces(self, message: Mapping[str, Any], body: bytes) -> None:
        for at in range(0, len(body), PIECE):
            self._pending = len(body) - at
            more = at + PIECE < len(body) or message.get("more_body", False)
            await self._send({**message, "body": body[at : at + PIECE], "more_body": more})
