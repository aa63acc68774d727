"""TLS between the connection of a client and the protocol that reads its requests.

OpenSSL does the cryptography, through Python's ``ssl.MemoryBIO``; here the bytes are carried. The event loop's own
layer keeps bytes in buffers that nobody can ask about or bound: how much of a file its client does not have yet must be
known, and a broken export must end without the alert that says "this was all" (RFC 8446, section 6.1).
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any, Protocol, cast

from polyglot_export.service.tls.turns import Turns

__all__ = ["HANDSHAKE_SECONDS", "PIECE", "Above", "TlsLayer"]

HANDSHAKE_SECONDS = 10.0
"""Time that a handshake may take: a few round trips, and a client's own work."""
PIECE = 16 << 10
"""Bytes that are encrypted or decrypted at a time: one record (RFC 8446, section 5.1). What OpenSSL's buffers have once
held they keep."""
MOST_ANSWERED = 32 << 10
"""Bytes that wait for a peer by whose records alone (KeyUpdate, say) still more is sent to it."""
LINGER_SECONDS = 2.0
"""Time that a peer has to close its side of a connection that is over, before it is closed without it …"""
LINGER_BYTES = 16 << 20
"""… and bytes that it may still send: the rest of a body that was refused."""
MOST_OF_A_HELLO = 17 << 10
"""Bytes of a handshake that waits for its turn: a record. Hellos have less than two kilobytes, with hybrid keys too."""
HANDSHAKE = 0x16
"""The first byte of a connection that speaks TLS (RFC 8446, section 5.1)."""


class Above(Protocol):
    """The protocol that reads requests, as far as this module asks."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """The handshake is done."""

    def data_received(self, data: bytes) -> None:
        """Take what has come."""

    def eof_received(self) -> bool | None:
        """The peer sends nothing more."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""

    def pause_writing(self) -> None:
        """Too much waits to be sent."""

    def resume_writing(self) -> None:
        """It has been sent."""

    def handshake_received(self, size: int) -> None:
        """So many bytes wait for the turn of the handshake."""

    def never_connected(self) -> None:
        """The handshake was not done, and never will be."""


class TlsLayer(asyncio.Protocol, asyncio.Transport):
    """The protocol of the connection to its socket, and the transport of the connection to what is above."""

    def __init__(
        self, context: ssl.SSLContext, above: Above, turns: Turns, plain_answer: bytes, seconds: float
    ) -> None:
        """Set up.

        Args:
            context: Of the server; the connection keeps it to its end.
            above: Gets the connection when the handshake is done.
            turns: Of the handshakes.
            plain_answer: What a client is sent that does not speak TLS.
            seconds: Time for the handshake.
        """
        super().__init__()
        self._context = context
        self._above = above
        self._turns = turns
        self._plain_answer = plain_answer
        self._seconds = seconds
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self._below: asyncio.Transport | None = None
        self._received = b""
        self._open = self._closing = self._aborted = False
        self._awaits_turn = False
        self._paused = self._began = False
        self._thrown_away = 0
        self._timer: asyncio.TimerHandle | None = None

    # What the socket's transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake must be done in time."""
        self._below = cast("asyncio.Transport", transport)
        if self._aborted:
            self._below.abort()
            return
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self.abort)

    def data_received(self, data: bytes) -> None:
        """Records, or the first bytes of somebody who does not speak TLS."""
        if self._closing:
            self._throw_away(data)
            return
        self._received = self._received + data if self._received else data
        if self._open:
            self._read()
        elif self._received[0] != HANDSHAKE and not self._began:
            self._answer_plainly()
        elif not self._began and len(self._received) > MOST_OF_A_HELLO:
            self.abort()
        elif not self._awaits_turn:
            self._awaits_turn = True
            if not self._raw.is_closing():
                self._raw.pause_reading()
            self._turns.take(self)
            self._above.handshake_received(len(data))

    def eof_received(self) -> bool | None:
        """The peer has gone without a word, or in the middle of a record; the transport closes itself."""
        if self._open and not self._closing:
            self._above.eof_received()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """Let what is above know."""
        self._stop_timer()
        self._turns.leave(self)
        self._closing = True
        # Now, and not when the collector finds the circle that this object and the protocol are.
        self._received = b""
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = None
        if self._open:
            self._above.connection_lost(exc)
        else:
            self._above.never_connected()

    def pause_writing(self) -> None:
        """The bytes of records that wait are the bytes that wait: there is no other buffer."""
        if self._open:
            self._above.pause_writing()

    def resume_writing(self) -> None:
        """They have been sent."""
        if self._open:
            self._above.resume_writing()

    # What the protocol above calls.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send."""
        if self._closing:
            return
        view = memoryview(data)
        try:
            records = [self._encrypted(view[at : at + PIECE]) for at in range(0, len(view), PIECE)]
        except ssl.SSLError:
            self._fail()
            return
        self._raw.write(b"".join(records))

    def close(self) -> None:
        """Send what waits, say that this was all, and close as soon as the peer does: what it still sends would make
        the kernel answer with a reset, which takes away from the peer what it has not read yet.
        """
        if self._closing:
            return
        self._closing = True
        if self._below is None:
            self._aborted = True
        elif not self._open:
            self._below.close()
        elif not self._below.is_closing():
            # It wants the peer's answer.
            with contextlib.suppress(ssl.SSLError):
                self._session.unwrap()
            self._flush()
            self._below.write_eof()
            self._below.resume_reading()
            self._timer = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._stop_waiting)

    def abort(self) -> None:
        """Close at once, without the alert that would end the bytes in an orderly way."""
        self._closing = self._aborted = True
        self._turns.leave(self)
        if self._below is not None:
            self._below.abort()

    def is_closing(self) -> bool:
        """Whether nothing more is sent."""
        return self._closing or self._raw.is_closing()

    def pause_reading(self) -> None:
        """Read no more."""
        if self.is_closing() or self._paused:
            return
        self._paused = True
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        """Read on, what has been received already first."""
        if self.is_closing() or not self._paused:
            return
        self._paused = False
        self._raw.resume_reading()
        asyncio.get_running_loop().call_soon(self._read)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Of TLS ``ssl_object`` and ``sslcontext``, as event loops have it; anything else is the socket's."""
        match name:
            case "ssl_object":
                return self._tls
            case "sslcontext":
                return self._context
            case _:
                return self._raw.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        """Bytes that wait to be taken by the kernel."""
        return self._raw.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """From how many of them on writing is paused."""
        self._raw.set_write_buffer_limits(high, low)

    @property
    def _session(self) -> ssl.SSLObject:
        if self._tls is None:
            raise RuntimeError("the handshake has not begun, or the connection is over")
        return self._tls

    @property
    def _raw(self) -> asyncio.Transport:
        if self._below is None:
            raise RuntimeError("there is no connection yet")
        return self._below

    def held(self) -> int:
        """Bytes that wait for the turn of the handshake."""
        return len(self._received)

    def step(self) -> None:
        """Go on with the handshake."""
        self._awaits_turn = False
        if self.is_closing():
            return
        if not self._began:
            self._began = True
            self._tls = self._context.wrap_bio(self._in, self._out, server_side=True)
        received, self._received = self._received, b""
        self._raw.resume_reading()
        self._in.write(received)
        try:
            self._session.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLError:
            self._fail()
            return
        self._flush()
        self._stop_timer()
        self._turns.leave(self)
        self._open = True
        self._above.connection_made(self)
        self._read()

    def _read(self) -> None:
        """Decrypt what has been received and hand it on."""
        try:
            while not self._closing and not self._paused:
                data = self._decrypted()
                if data is None:
                    break
                if not data:
                    self._end()
                    break
                self._above.data_received(data)
        except ssl.SSLError:
            self._fail()

    def _decrypted(self) -> bytes | None:
        """The next bytes; none at the peer's end; ``None`` where more must come first.

        Raises:
            ssl.SSLError: The peer has sent what is no record of this connection.
        """
        while True:
            try:
                return self._session.read(PIECE)
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLWantReadError:
                if self._out.pending:
                    self._answer_records()
                if not self._received or self._closing:
                    return None
                piece, self._received = self._received[:PIECE], self._received[PIECE:]
                self._in.write(piece)

    def _answer_records(self) -> None:
        """Send what OpenSSL has to say to records without data; a peer that takes none of it gets no more."""
        self._flush()
        if self._raw.get_write_buffer_size() > MOST_ANSWERED + self._raw.get_write_buffer_limits()[1]:
            self.abort()

    def _end(self) -> None:
        """The peer has said that it sends nothing more, as plain TCP does with FIN."""
        self._above.eof_received()
        self.close()

    def _encrypted(self, data: memoryview) -> bytes:
        self._session.write(data)
        return self._out.read()

    def _flush(self) -> None:
        if self._out.pending:
            self._raw.write(self._out.read())

    def _fail(self) -> None:
        """Send the alert, which says what was wrong, and close."""
        self._turns.leave(self)
        self._flush()
        self._closing = True
        if self._open:
            self._raw.abort()
        else:
            self._raw.close()

    def _throw_away(self, data: bytes) -> None:
        self._thrown_away += len(data)
        if self._thrown_away > LINGER_BYTES:
            self.abort()

    def _stop_waiting(self) -> None:
        """The peer does not close; but it gets what is left in its own time, as without TLS."""
        if self._raw.get_write_buffer_size():
            self._timer = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._stop_waiting)
        else:
            self._raw.close()

    def _answer_plainly(self) -> None:
        self._closing = True
        self._raw.write(self._plain_answer)
        self._raw.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
