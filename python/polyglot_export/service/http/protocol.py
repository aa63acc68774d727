"""uvicorn's httptools protocol, with bounds for all that a client may make it hold, and with what a stream needs."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from polyglot_export.access.certificates import ClientCertificate, certificate_of
from polyglot_export.service.errors import HeaderTooLarge, MalformedRequest, ServiceError
from polyglot_export.service.http.bodies import DISCARD_BYTES
from polyglot_export.service.http.client_connections import ClientConnections, Place
from polyglot_export.service.http.connection import DELIVERED_BYTES, EXTENSION, Connection
from polyglot_export.service.http.inflow import Inflow
from polyglot_export.service.http.refusals import refusal
from polyglot_export.service.http.request_head import HEADER_COST, MAX_HEAD, RequestHead

__all__ = ["ExportProtocol"]

HEAD_SECONDS = 30.0
"""Time that the line and headers of a request may take: httptools waits for ever."""
PROBE_SECONDS = 2.0
"""The same for a connection on one of the last places, which are for probes."""
PROBES = (b"/health", b"/metrics")
"""What is answered on the last places."""
LINGER_SECONDS = 30.0
"""Time that the rest of a body may take whose request has been answered without it."""
MAX_WAITING = 64 << 10
"""Bytes of requests that wait behind the one that is being answered."""
PIECE = 16 << 10
"""Bytes of a body that the parser gets at a time."""
BODY_AHEAD = 16 << 10
"""Bytes of a body that are kept until the application takes them."""


class Handshake(Protocol):
    """The handshake of a connection, as far as this module asks."""

    def abort(self) -> None:
        """Close the connection."""

    def held(self) -> int:
        """Bytes of it that wait."""


class ExportProtocol(HttpToolsProtocol):
    """One client's connection.

    One request at a time: what comes behind it waits as bytes, and is read when it has been answered. So there is one
    head, one body and one answer in memory, whatever a client sends.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        clients: ClientConnections,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.clients = clients
        self.discarding = False
        """Whether what comes is thrown away, since a body without a length is on its way."""
        self.place = Place.ANY
        """What it may ask for; the acceptor sets it."""
        self.handshake: Handshake | None = None
        """What comes before the first request where TLS is spoken; the acceptor sets it."""
        self.certificate: ClientCertificate | None = None
        """Of the client, verified; ``None`` where it has sent none, or was not asked."""
        self._connected = False
        self._inflow = Inflow()
        self._head = RequestHead()
        self._held: RequestResponseCycle | None = None
        self._close_when_answered = False
        self._in_head = True
        self._listening = False
        self._head_bytes = 0
        self._framing_bytes = 0
        self._discarded = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """The first request must come in time."""
        super().connection_made(transport)
        self._connected = True
        self.handshake = None
        self.certificate = certificate_of(transport)
        self.flow = _Flow(transport, self)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Take what has come, and read as much of it as may be read now."""
        if self.transport.is_closing():
            return
        if self.discarding or self._close_when_answered:
            self._close_when_answered = True
            return
        self._unset_keepalive_if_required()
        self._inflow.add(data)
        self.clients.received(len(data))
        self.read()

    def on_message_begin(self) -> None:
        """Give the scope of the new request its extension."""
        if self.answering():
            # Behind a chunked body, whose end only the parser can find.
            raise _Behind
        super().on_message_begin()
        self._head = RequestHead()
        self._framing_bytes = self._discarded = 0
        # A TypedDict of uvicorn's; ASGI has "extensions" in it, uvicorn's HTTP scope leaves it out.
        self._connection = Connection(self)
        self._connection.certificate = self.certificate
        cast("dict[str, Any]", self.scope)["extensions"] = {EXTENSION: self._connection}

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what comes behind a chunked body is none (RFC 9110, section 6.5.1) and is dropped."""
        if self._in_head:
            self._head.add(name, value)
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is over; the body has a limit of its own."""
        self._head.check(self.parser.get_http_version(), upgrade=self.parser.should_upgrade())
        if self.place is Place.PROBES and not self.url.partition(b"?")[0].startswith(PROBES):
            self.clients.count_refused()
            raise self.clients.refusal()
        self._in_head = False
        self._stop_timers()
        self._listening = False
        self.clients.now_busy(self)
        super().on_headers_complete()
        self._connection.cycle = self.cycle

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body until the application takes it; what nobody will take is thrown away."""
        self._framing_bytes = 0
        if self.cycle.response_complete:
            self._discarded += len(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The next bytes are the head of another request."""
        self._in_head = True
        self._framing_bytes = 0
        self._inflow.begin_message()
        self._stop_timers()
        super().on_message_complete()
        if self.cycle.response_complete:
            self._become_idle()

    def eof_received(self) -> None:
        """A peer that half-closes its connection counts as gone, even while bytes for it wait in our buffer.

        A stream is reset at once: the transport would answer the peer's FIN with one of its own, and a peer that still
        reads would see an orderly end.
        """
        if self.discarding and self.answering():
            Connection(self).abort()
        else:
            self.mark_disconnected()

    def connection_lost(self, exc: Exception | None) -> None:
        """Free the place, and tell the response."""
        self.clients.leave(self)
        self._inflow.clear()
        self._stop_timers()
        self._unset_keepalive_if_required()
        self.mark_disconnected()
        super().connection_lost(exc)

    def handshake_received(self, size: int) -> None:
        """Bytes of the handshake of TLS wait for its turn."""
        self.clients.received(size)

    def never_connected(self) -> None:
        """The handshake of TLS has failed."""
        self.clients.leave(self)

    def hold(self, cycle: RequestResponseCycle) -> None:
        """Let uvicorn not say ``Connection: close`` in this response; where that is due, do it at its end.

        It is due when the client asks for it, when the service ends, and when a request was thrown away. RFC 9112,
        section 9.6, asks to close then; that the response announces it is only a SHOULD.
        """
        self._held = cycle
        self._close_when_answered |= not cycle.keep_alive
        cycle.keep_alive = True
        if not self._in_head and len(self._inflow):
            # The rest of a body that nobody reads.
            self._inflow.clear()
            self._close_when_answered = True

    def on_response_complete(self) -> None:
        """A response has ended as it should: go on with the next request, or close."""
        self.clients.now_idle(self)
        if self._held is not None and self._held.response_complete:
            self._held = None
            self.discarding = False
        if self._close_when_answered:
            self.transport.close()
        super().on_response_complete()
        if self.transport.is_closing():
            return
        # An answer that nobody takes is held too.
        self.clients.received(self.transport.get_write_buffer_size())
        if self._in_head:
            self._become_idle()
        else:
            # What is left of the body is read and thrown away, since a client that is still sending would get a reset
            # in place of the answer; but not for ever.
            self._body_timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)
        self.loop.call_soon(self.read)

    def shutdown(self) -> None:
        """The service ends: no further request."""
        if self._held is not None and not self._held.response_complete:
            self._close_when_answered = True
        else:
            super().shutdown()

    def mark_disconnected(self) -> None:
        """Let ``receive()`` report the disconnect now, and ``send()`` ignore what still comes."""
        if self.answering():
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def held(self) -> int:
        """Bytes of the request, and of an answer that nobody takes; those of a stream are in its reservation."""
        if not self._connected:
            return self.handshake.held() if self.handshake is not None else 0
        held = len(self._inflow) + self._head_bytes + self._framing_bytes + len(self.headers or ()) * HEADER_COST
        if self.answering():
            return held + len(self.cycle.body)
        if self.transport.is_closing():
            return held + self.transport.get_write_buffer_size()
        return held + Connection(self).unacknowledged()

    def give_up(self, error: ServiceError | None) -> None:
        """Close it for the sake of others."""
        if not self._connected:
            self._give_up_early(error)
        elif self.answering() or Connection(self).unacknowledged() > DELIVERED_BYTES or self._is_writing_its_end():
            Connection(self).abort()
        elif self.transport.is_closing():
            # Over TLS its end is waited for.
            self.transport.abort()
        elif error is not None:
            self._refuse(error)
        else:
            self.transport.close()

    def _give_up_early(self, error: ServiceError | None) -> None:
        if self.handshake is not None:
            self.handshake.abort()
        else:
            # Accepted in this very moment.
            self.loop.call_soon(self.give_up, error)

    def retire(self) -> None:
        """Answer nothing more than what is being answered, if its client was let in by a certificate."""
        if self.handshake is not None:
            self.handshake.abort()
        elif self.certificate is not None and not self.transport.is_closing():
            self.shutdown()

    def _is_writing_its_end(self) -> bool:
        """Whether it is closed as soon as the peer takes what is left here."""
        return self.transport.is_closing() and self.transport.get_write_buffer_size() > 0

    def answering(self) -> bool:
        """Whether a request has no complete answer."""
        # uvicorn's annotation leaves out that there is none at first.
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def more_is_wanted(self) -> bool:
        """The application asks for more of the body, or whether the client is still there.

        Returns:
            Whether the socket is to be read, and not first what has been received already.
        """
        if self.answering() and self._in_head:
            self._listening = True
        self.loop.call_soon(self.read)
        return not self._body_waits()

    def read(self) -> None:
        """Give the parser what it may have: nothing behind a request that is being answered, and no more of a body than
        is taken.
        """
        while len(self._inflow) and not self.transport.is_closing():
            if self._in_head:
                if self.answering():
                    break
                self._read_head()
            elif self.answering() and len(self.cycle.body) > BODY_AHEAD:
                break
            else:
                self._read_body()
        if self.transport.is_closing():
            self._inflow.clear()
            return
        if self._in_head and len(self._inflow) > MAX_WAITING:
            self._drop_what_follows()
        if self._body_waits() or (len(self._inflow) and not self._listening):
            self.flow.pause_reading()
        else:
            FlowControl.resume_reading(self.flow)

    def _body_waits(self) -> bool:
        """Whether more of a body has been received than the application has taken."""
        return not self._in_head and self.answering() and len(self.cycle.body) + len(self._inflow) > BODY_AHEAD

    def _read_head(self) -> None:
        if self._head_timer is None:
            self._expect_head()
        piece = self._inflow.take_of_head(MAX_HEAD - self._head_bytes)
        self._head_bytes += len(piece)
        self._parse(piece)
        if self._in_head and self._head_bytes >= MAX_HEAD and not self.transport.is_closing():
            self._refuse(
                HeaderTooLarge(f"the request's line and headers have more than {MAX_HEAD} bytes, which is the limit")
            )

    def _read_body(self) -> None:
        piece = self._inflow.take(min(PIECE, self._head.length or PIECE))
        if self._head.length is not None:
            self._head.length -= len(piece)
        self._framing_bytes += len(piece)
        self._parse(piece)
        if self.transport.is_closing():
            return
        if self._framing_bytes > MAX_HEAD:
            self._refuse(
                HeaderTooLarge(f"more than {MAX_HEAD} bytes are between two chunks of the body, or behind its end")
            )
        elif self._discarded > DISCARD_BYTES:
            self.transport.close()

    def _parse(self, piece: memoryview) -> None:
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # To a protocol that we do not speak, and may ignore (RFC 9110, section 7.8).
            pass
        except httptools.HttpParserError as error:
            reason = error.__context__
            if isinstance(reason, _Behind):
                self._drop_what_follows()
            elif isinstance(reason, ServiceError):
                self._refuse(reason)
            else:
                self._refuse(MalformedRequest("the request is not valid HTTP/1.1"))

    def _drop_what_follows(self) -> None:
        """Throw away what is behind the request that is being answered; the client has to send it again (RFC 9112,
        section 9.3.2).
        """
        self._inflow.clear()
        self._close_when_answered = True

    def _become_idle(self) -> None:
        """Keep nothing of the last request, and close the connection if no other one comes."""
        self.cycle = self.scope = self.headers = None  # type: ignore[assignment]  # as uvicorn begins
        self.url = b""
        self._head_bytes = 0
        self._unset_keepalive_if_required()
        if not len(self._inflow):
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _expect_head(self) -> None:
        seconds = PROBE_SECONDS if self.place is Place.PROBES else HEAD_SECONDS
        self._head_timer = self.loop.call_later(seconds, self.transport.close)

    def _stop_timers(self) -> None:
        for timer in (self._head_timer, self._body_timer):
            if timer is not None:
                timer.cancel()
        self._head_timer = self._body_timer = None

    def _refuse(self, error: ServiceError) -> None:
        """Answer a request that has not reached the application, and close."""
        if self.answering():
            # An answer here would become part of the one that is being sent.
            Connection(self).abort()
            return
        self.transport.write(refusal(error))
        self.transport.close()


class _Behind(Exception):
    """The parser has found a request behind the one that is being answered."""


class _Flow(FlowControl):
    """uvicorn's flow control, for bytes that have been received but not read."""

    def __init__(self, transport: asyncio.Transport, protocol: ExportProtocol) -> None:
        super().__init__(transport)
        self._protocol = protocol

    def resume_reading(self) -> None:
        """``receive()`` calls it, and the end of a response."""
        if self._protocol.more_is_wanted():
            super().resume_reading()
