"""The connection of one request, as a response sees it: it can be cut so that the cut is seen.

A response gets at it through ``scope["extensions"]``, the place that ASGI has for a server's extras.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
from typing import Protocol

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from polyglot_export.access.certificates import ClientCertificate

__all__ = ["DELIVERED_BYTES", "EXTENSION", "Connection"]

EXTENSION = "polyglot.connection"
"""The key of the :class:`Connection` in the extensions of a request's scope."""
DELIVERED_BYTES = 16 << 10
"""What a client need not have acknowledged of an answer that counts as delivered. It waits in the kernel, which sends
it whatever becomes of the connection here; so little is not worth to cut an answer for. A client acknowledges its last
segments late (RFC 9293, section 3.8.6.3), and nobody is to wait for that."""
_NO_LINGER = struct.pack("ii", 1, 0)


class Owner(Protocol):
    """The protocol of the connection, as far as a response changes it."""

    transport: asyncio.Transport
    discarding: bool
    """Whether what comes is thrown away."""

    def mark_disconnected(self) -> None:
        """Let the response know that nobody reads it any more."""

    def hold(self, cycle: RequestResponseCycle) -> None:
        """Announce nothing about the end of the connection."""


class Connection:
    """The connection of one request, as far as a response may touch it."""

    def __init__(self, protocol: Owner) -> None:
        self._protocol = protocol
        self.cycle: RequestResponseCycle | None = None
        """Request and response; known once the head of the request is complete."""
        self.certificate: ClientCertificate | None = None
        """Of the client, verified; ``None`` where it has sent none, or was not asked."""

    def abort(self) -> None:
        """End the connection with a reset, so that no client can take what it has for the whole.

        ``SO_LINGER`` with a time of zero makes close() send RST (socket(7), tcp(7)); ``transport.abort()`` alone sends
        FIN, which ends an HTTP/1.0 body like success. What the kernel has not sent yet is thrown away.
        """
        self._protocol.mark_disconnected()
        transport = self._protocol.transport
        sock = transport.get_extra_info("socket")
        if sock is not None and not transport.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        transport.abort()

    @property
    def gone(self) -> bool:
        """Whether the client is known to have left: what is sent now is sent to nobody."""
        return self._protocol.transport.is_closing() or (self.cycle is not None and self.cycle.disconnected)

    def unacknowledged(self) -> int:
        """Bytes that were written and that the peer's kernel has not acknowledged: here in memory and in the kernel."""
        transport = self._protocol.transport
        sock = transport.get_extra_info("socket")
        if sock is None or transport.is_closing():
            return 0
        try:
            return transport.get_write_buffer_size() + _kernel_queue(sock.fileno())
        except (OSError, ValueError):
            # Closed between the two lines above: nothing waits any more.
            return 0

    def hold_requests(self) -> None:
        """Take no further request from this connection until the response has ended; for a body without a length.

        Reading goes on, or a disconnect would not be seen; what a pipelining client has sent is thrown away, and it
        has to send it again (RFC 9112, section 9.3.2): the connection is closed once the response has ended.

        That is never announced: a client that reads ``Connection: close`` may take whatever ends the connection for
        the end of the body, chunked or not, a reset included (undici does, the fetch of Node).
        """
        self._protocol.discarding = True
        if self.cycle is not None:
            self._protocol.hold(self.cycle)


def _kernel_queue(descriptor: int) -> int:
    """Bytes in the socket's send queue that are not acknowledged (tcp(7), SIOCOUTQ, which is TIOCOUTQ)."""
    answer = fcntl.ioctl(descriptor, termios.TIOCOUTQ, b"\0\0\0\0")
    return int(struct.unpack("i", answer)[0])
