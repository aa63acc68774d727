"""Requests as bytes over plain sockets, and what they make the process hold."""

from __future__ import annotations

import contextlib
import json
import socket
from pathlib import Path
from typing import Any

from tests.fixtures.process import Service
from tests.service.client import PATIENCE

GET = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


def connect(service: Service) -> socket.socket:
    """A connection to a service."""
    return socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE)


def push(raw: socket.socket, piece: bytes, most: int) -> int:
    """Send the same again and again until the peer takes no more; gives the bytes that it took, up to ``most``."""
    sent = 0
    with contextlib.suppress(OSError):
        while sent < most:
            raw.sendall(piece)
            sent += len(piece)
    return sent


def read_all(raw: socket.socket) -> bytes:
    """Everything until the peer closes or resets."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while piece := raw.recv(65536):
            data += piece
    return data


def ask(service: Service, request: bytes) -> tuple[int, Any]:
    """Send a request and wait until the service has closed; gives the status and the body."""
    with connect(service) as raw:
        raw.sendall(request)
        answer = read_all(raw)
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def peak_of(service: Service) -> int:
    """The most bytes that the process has had (proc(5), ``VmHWM``)."""
    for line in Path(f"/proc/{service.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise AssertionError("the kernel does not say")
