"""The listening sockets: where the service may listen, and the options that every connection inherits from them."""

from __future__ import annotations

import ipaddress
import socket

from polyglot_export.errors import SpecError

__all__ = ["BACKLOG", "check_binding", "listen", "user_timeout"]

KEEPALIVE_IDLE = 15
KEEPALIVE_INTERVAL = 5
KEEPALIVE_COUNT = 3
"""Seconds and tries: a peer that vanished while nothing is being sent is noticed after 30 s instead of two hours."""
USER_TIMEOUT = 60
"""Seconds that sent bytes may stay unacknowledged: without it a peer that vanished is noticed after a quarter of an
hour. Linux counts a full receive window the same way (tcp_probe_timer), so a client that is only slow falls under it as
well."""
USER_TIMEOUT_MARGIN = 15
"""Seconds by which our own cut of a slow client comes first: the kernel drops the connection without telling the
client."""
NOTSENT_LOWAT = 128 << 10
"""Bytes not sent yet that the kernel takes: a stalled client then costs 0.14 MB of kernel memory instead of 3.9."""
RECEIVE_BUFFER = 32 << 10
"""Bytes that the kernel keeps of what has not been read; it takes twice as much for them. By itself it would let the
buffer of each connection grow to megabytes; requests are small."""
TCP_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)
BACKLOG = 2048
"""Connections that wait to be accepted: the kernel drops what comes beyond them, and the client tries again after a
second."""


def check_binding(host: str, *, guarded: bool) -> None:
    """Refuse to listen to the network while everybody may read everything.

    Args:
        host: Where the service is to listen.
        guarded: Whether callers are asked who they are.

    Raises:
        SpecError: The host cannot be resolved, or it is not a loopback address and anybody may ask.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise SpecError("HOST", f"{host!r} cannot be resolved ({error.strerror or error})") from None
    if guarded:
        return
    for entry in found:
        address = ipaddress.ip_address(str(entry[4][0]).partition("%")[0])
        if not address.is_loopback:
            raise SpecError(
                "HOST",
                f"{host!r} is reachable from the network ({address}) and no keys are configured; "
                "listen on 127.0.0.1, or add [keys.NAME] tables to the configuration file",
            )


def user_timeout(slow_client_timeout: float) -> float:
    """Seconds for TCP_USER_TIMEOUT, never before our own limit for slow clients."""
    return max(USER_TIMEOUT, slow_client_timeout + USER_TIMEOUT_MARGIN)


def listen(host: str, port: int, user_timeout_seconds: float) -> list[socket.socket]:
    """Listen on every address of a host; accepted connections inherit the options (tcp(7), on Linux).

    Args:
        host: Name or address.
        port: 0 takes a free port, the same for all addresses.
        user_timeout_seconds: For TCP_USER_TIMEOUT.

    Raises:
        SpecError: An address cannot be listened on.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys((entry[0], entry[4]) for entry in found):
            chosen = sockets[0].getsockname()[1] if sockets else port
            sockets.append(_listen(family, (address[0], chosen, *address[2:]), user_timeout_seconds))
    except OSError as error:
        for sock in sockets:
            sock.close()
        raise SpecError("PORT", f"cannot listen on {host} port {port}: {error.strerror}") from None
    return sockets


def _listen(family: int, address: tuple[object, ...], user_timeout_seconds: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_COUNT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(user_timeout_seconds * 1000))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOTSENT_LOWAT)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock
