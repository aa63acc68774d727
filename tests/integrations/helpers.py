"""What the tests of the responses share."""

from __future__ import annotations

import socket

__all__ = ["received", "stalled"]


def stalled(url: str) -> socket.socket:
    """A client that reads the beginning of an answer and then nothing."""
    host, _, path = url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    connection.connect((name, int(port)))
    connection.sendall(f"GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert connection.recv(12) == b"HTTP/1.1 200"
    return connection


def received(connection: socket.socket) -> bytes:
    """What comes next; nothing at the end and after a reset."""
    try:
        return connection.recv(1 << 20)
    except ConnectionResetError:
        return b""
