"""Accepts the connections of clients, one by one, so that each is counted before the next one takes a descriptor.

The event loop's own server accepts all that wait before anybody is asked, and resets the rest when the process is out
of descriptors, probes included.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable

from polyglot_export.service.errors import MalformedRequest
from polyglot_export.service.http.client_connections import ClientConnections, Place
from polyglot_export.service.http.protocol import PROBE_SECONDS, ExportProtocol
from polyglot_export.service.http.refusals import refusal
from polyglot_export.service.logs import event
from polyglot_export.service.tls.layer import HANDSHAKE_SECONDS
from polyglot_export.service.tls.live import LiveTls

__all__ = ["Acceptor"]

AT_A_TIME = 64
"""Connections that are accepted before the loop does something else."""
PAUSE_SECONDS = 1.0
"""Time after which it is tried again when the system gives no descriptor."""
LOOK_AGAIN_SECONDS = 0.1
"""Time that a client has to send something when it comes while all places are taken …"""
SILENT = 64
"""… and how many such clients there may be; they have descriptors beside the limit of connections."""
LOOK_BYTES = 16 << 10
PROBE_LINES = (b"GET /health", b"HEAD /health", b"GET /metrics")
HELLO = b"\x16"
"""The first byte of a connection that speaks TLS. What it will ask for is not known yet, so it may be a probe."""
ALERT = b"\x15\x03\x03\x00\x02\x02\x50"
"""What TLS can say to somebody for whom there is no place, before anything is agreed on: internal_error(80), fatal (RFC
8446, section 6)."""

_PLAIN = refusal(MalformedRequest("HTTPS is spoken here, and this was plain HTTP; use https:// in the address"))

_log = logging.getLogger(__name__)


class Acceptor:
    """One listening socket. It belongs to the thread of the event loop."""

    def __init__(
        self,
        listener: socket.socket,
        clients: ClientConnections,
        new_protocol: Callable[[], ExportProtocol],
        tls: LiveTls | None = None,
    ) -> None:
        """Set up.

        Args:
            listener: Is listening.
            clients: Have their places here.
            new_protocol: Reads the requests of one connection.
            tls: What is spoken below HTTP; ``None`` for nothing.
        """
        self._listener = listener
        self._clients = clients
        self._new_protocol = new_protocol
        self._tls = tls
        self._probe_lines = PROBE_LINES if tls is None else (HELLO,)
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent: dict[socket.socket, None] = {}
        self._refusal = refusal(clients.refusal()) if tls is None else ALERT
        self._pause: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Accept from now on."""
        self._pause = None
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def stop(self) -> None:
        """Accept no more; who owns the socket closes it."""
        self._loop.remove_reader(self._listener.fileno())
        if self._pause is not None:
            self._pause.cancel()
        while self._silent:
            self._silent.popitem()[0].close()

    def _accept(self) -> None:
        for _ in range(AT_A_TIME):
            try:
                sock, _address = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                event(_log, logging.ERROR, "no connection can be accepted", reason=error.strerror)
                self.stop()
                self._pause = self._loop.call_later(PAUSE_SECONDS, self.start)
                return
            sock.setblocking(False)
            self._let_in(sock)

    def _let_in(self, sock: socket.socket) -> None:
        asked = _first_bytes(sock)
        if not asked and not self._clients.has_room():
            if len(self._silent) >= SILENT:
                # The one that has waited for longest has had the most time: a flood must not refuse who has just come.
                self._look_again(next(iter(self._silent)))
            # What it asks for decides, and is on its way.
            self._silent[sock] = None
            self._loop.call_later(LOOK_AGAIN_SECONDS, self._look_again, sock)
            return
        self._place(sock, asked)

    def _look_again(self, sock: socket.socket) -> None:
        if sock in self._silent:
            del self._silent[sock]
            self._place(sock, _first_bytes(sock))

    def _place(self, sock: socket.socket, asked: bytes) -> None:
        place = self._clients.room(silent=not asked, probe=asked.startswith(self._probe_lines))
        if place is Place.NONE:
            _turn_away(sock, self._refusal)
            return
        protocol = self._new_protocol()
        self._clients.enter(protocol, place)
        protocol.place = place
        task = self._loop.create_task(self._connect(protocol, sock))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, protocol: ExportProtocol, sock: socket.socket) -> None:
        below: asyncio.Protocol = protocol
        if self._tls is not None:
            seconds = HANDSHAKE_SECONDS if protocol.place is Place.ANY else PROBE_SECONDS
            below = protocol.handshake = self._tls.layer(protocol, _PLAIN, seconds)
        try:
            await self._loop.connect_accepted_socket(lambda: below, sock)
        except OSError:
            # Reset by the client in the meantime.
            self._clients.leave(protocol)
            sock.close()


def _first_bytes(sock: socket.socket) -> bytes:
    """The beginning of what the client has sent already, which stays to be read: most send as they connect."""
    with contextlib.suppress(OSError):
        return sock.recv(max(map(len, PROBE_LINES)), socket.MSG_PEEK)
    return b""


def _turn_away(sock: socket.socket, answer: bytes) -> None:
    """Say why and close. What the client has sent is read first: to close before would reset the connection, and the
    client would not read the answer.
    """
    with sock, contextlib.suppress(OSError):
        with contextlib.suppress(BlockingIOError):
            sock.recv(LOOK_BYTES)
        sock.send(answer)
        sock.shutdown(socket.SHUT_WR)
