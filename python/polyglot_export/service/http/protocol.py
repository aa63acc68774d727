"""uvicorn's httptools protocol, with what a stream needs: a connection can be cut so that the cut is seen.

A response gets at its connection through ``scope["extensions"]``, the place that ASGI has for a server's extras.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import socket
import struct
import termios
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from polyglot_export.service.errors import HeaderTooLarge, MalformedRequest, ServiceError
from polyglot_export.service.http import problems

__all__ = ["EXTENSION", "Connection", "ExportProtocol"]

EXTENSION = "polyglot.connection"
"""The key of the :class:`Connection` in the extensions of a request's scope."""
MAX_HEAD = 64 << 10
"""Bytes of one request's line and headers: httptools itself has no limit."""
HEAD_SECONDS = 30.0
"""Time that the line and headers of a request may take: httptools waits for ever."""
_NO_LINGER = struct.pack("ii", 1, 0)


class Connection:
    """The connection of one request, as far as a response may touch it."""

    def __init__(self, protocol: ExportProtocol) -> None:
        self._protocol = protocol
        self.cycle: RequestResponseCycle | None = None
        """Request and response; known once the head of the request is complete."""

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


class ExportProtocol(HttpToolsProtocol):
    """One client's connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.discarding = False
        """Whether what comes is thrown away, since a body without a length is on its way."""
        self._held: RequestResponseCycle | None = None
        self._close_after_held = False
        self._cycles: list[RequestResponseCycle] = []
        self._head_bytes = 0
        self._in_head = True
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """The first request must come in time."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, within the limits of a request's head."""
        if self.discarding:
            self._close_after_held = True
            return
        if self._in_head:
            self._head_bytes += len(data)
            self._expect_head()
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD and not self.transport.is_closing():
            self._refuse(
                HeaderTooLarge(f"the request's line and headers have more than {MAX_HEAD} bytes, which is the limit")
            )

    def on_message_begin(self) -> None:
        """Give the scope of the new request its extension."""
        super().on_message_begin()
        # A TypedDict of uvicorn's; ASGI has "extensions" in it, uvicorn's HTTP scope leaves it out.
        self._connection = Connection(self)
        cast("dict[str, Any]", self.scope)["extensions"] = {EXTENSION: self._connection}

    def on_headers_complete(self) -> None:
        """The head is over; the body has a limit of its own."""
        self._in_head = False
        self._head_bytes = 0
        self._stop_timer()
        super().on_headers_complete()
        self._connection.cycle = self.cycle
        self._cycles = [cycle for cycle in self._cycles if not cycle.response_complete]
        self._cycles.append(self.cycle)

    def on_message_complete(self) -> None:
        """The next bytes are the head of another request."""
        self._in_head = True
        super().on_message_complete()

    def eof_received(self) -> None:
        """A peer that half-closes its connection counts as gone, even while bytes for it wait in our buffer.

        A stream is reset at once: the transport would answer the peer's FIN with one of its own, and a peer that still
        reads would see an orderly end.
        """
        if self.discarding and any(not cycle.response_complete for cycle in self._cycles):
            Connection(self).abort()
        else:
            self.mark_disconnected()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell every response of this connection; uvicorn tells only the last one of a pipeline."""
        self._stop_timer()
        self.mark_disconnected()
        super().connection_lost(exc)

    def hold(self, cycle: RequestResponseCycle) -> None:
        """Let uvicorn not say ``Connection: close`` in this response; where that is due, do it at its end.

        It is due when the client asks for it, when the service ends, and when a request was thrown away. RFC 9112,
        section 9.6, asks to close then; that the response announces it is only a SHOULD.
        """
        self._held = cycle
        self._close_after_held |= not cycle.keep_alive
        cycle.keep_alive = True

    def on_response_complete(self) -> None:
        """A response has ended as it should: go on with the next request, or close."""
        if self._held is not None and self._held.response_complete:
            self._held = None
            self.discarding = False
            if self._close_after_held:
                self.transport.close()
        super().on_response_complete()

    def shutdown(self) -> None:
        """The service ends: no further request."""
        if self._held is not None and not self._held.response_complete:
            self._close_after_held = True
        else:
            super().shutdown()

    def mark_disconnected(self) -> None:
        """Let ``receive()`` report the disconnect now, and ``send()`` ignore what still comes."""
        for cycle in self._cycles:
            if not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature; its words are not for clients
        """What the parser refused, as problem+json like every other error."""
        self._refuse(MalformedRequest("the request is not valid HTTP/1.1"))

    def _expect_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if all(cycle.response_complete for cycle in self._cycles):
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, error: ServiceError) -> None:
        if any(not cycle.response_complete for cycle in self._cycles):
            # An answer here would become part of the body that is being sent.
            Connection(self).abort()
            return
        status, _, body = problems.document(error)
        payload = json.dumps(body).encode()
        head = [
            STATUS_LINE[status],
            b"content-type: " + problems.CONTENT_TYPE.encode() + b"\r\n",
            b"content-length: " + str(len(payload)).encode() + b"\r\n",
            b"connection: close\r\n\r\n",
        ]
        self.transport.write(b"".join([*head, payload]))
        self.transport.close()


def _kernel_queue(descriptor: int) -> int:
    """Bytes in the socket's send queue that are not acknowledged (tcp(7), SIOCOUTQ, which is TIOCOUTQ)."""
    answer = fcntl.ioctl(descriptor, termios.TIOCOUTQ, b"\0\0\0\0")
    return int(struct.unpack("i", answer)[0])
