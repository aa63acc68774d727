"""Clients of the service in one event loop: fast, slow, and such that leave.

An own client over plain sockets: it has to tell a body that ended from one that was cut, and to read as slowly as it is
told.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import httptools

__all__ = ["Ending", "Manner", "Outcome", "Refused", "create", "download", "fetch", "take_file"]

READ_BYTES = 256 << 10
SLOW_RECEIVE_BUFFER = 64 << 10
"""The kernel of a slow client takes little more than the client does."""
SLOW_READS = 10
"""Reads of a slow client in a second."""
ANSWER_SECONDS = 120.0
"""Silence after which a client gives up; that counts as a failure of the service."""


class Ending(Enum):
    """How a download ended, as its client sees it."""

    COMPLETE = "complete"
    BROKEN = "visibly broken"
    REFUSED = "refused"
    LEFT = "left"
    SILENT = "silent"
    """Nothing came any more, and the connection was not ended either."""


@dataclass(frozen=True)
class Manner:
    """How a client behaves.

    Attributes:
        rate: Bytes a second that it reads; ``None`` for all that come.
        leave_after: Bytes after which it closes its connection.
        stall_after: Bytes after which it reads nothing for a while.
        stall_seconds: That while.
    """

    rate: float | None = None
    leave_after: int | None = None
    stall_after: int | None = None
    stall_seconds: float = 0.0


@dataclass
class Outcome:
    """One download.

    Attributes:
        status: Of the answer; 0 where none came.
        first: Seconds to the first byte of the answer.
        seconds: To the end.
        size: Bytes of the body.
        retry_after: The header's value.
        snapshot: The header ``X-Export-Snapshot``.
        detail: The body of a refusal.
    """

    ending: Ending = Ending.BROKEN
    status: int = 0
    first: float = 0.0
    seconds: float = 0.0
    size: int = 0
    retry_after: str | None = None
    snapshot: str = ""
    detail: str = ""


class Refused(Exception):
    """The service did not take a spec; the outcome says why."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"{outcome.status} {outcome.detail}")
        self.outcome = outcome


async def create(port: int, spec: dict[str, Any], key: str | None = None) -> str:
    """``POST /exports``; gives the id.

    Args:
        port: Of the service, on 127.0.0.1.
        spec: The body.
        key: Sent where the service wants one.

    Raises:
        Refused: The service answered something else.
    """
    body = json.dumps(spec).encode()
    head = _head("POST", "/exports", key, f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n")
    answer = _Answer(lambda _: None)
    await _exchange(port, head + body, answer, Manner())
    if answer.outcome.status != 201:
        raise Refused(answer.refused())
    return str(json.loads(answer.small)["exportId"])


async def fetch(port: int, path: str, key: str | None = None) -> Any:
    """``GET`` of a JSON document.

    Raises:
        Refused: The service answered something else than 200.
    """
    answer = _Answer(lambda _: None)
    answer.keep = True
    await _exchange(port, _head("GET", path, key), answer, Manner())
    if answer.outcome.status != 200:
        raise Refused(answer.refused())
    return json.loads(answer.small)


async def download(
    port: int,
    export_id: str,
    take: Callable[[str, bytes], None],
    manner: Manner | None = None,
    key: str | None = None,
) -> Outcome:
    """``GET /exports/{id}/download``.

    Args:
        port: Of the service, on 127.0.0.1.
        export_id: Of the export.
        take: Called with the snapshot and each part of the file.
        manner: How the client behaves.
        key: Sent where the service wants one.
    """
    answer = _Answer(lambda data: take(answer.outcome.snapshot, data))
    return await _taken(port, f"/exports/{export_id}/download", answer, manner or Manner(), key)


async def take_file(port: int, path: str, take: Callable[[bytes], None]) -> Outcome:
    """``GET`` of a file at any address, as fast as it comes.

    Args:
        port: Of the server, on 127.0.0.1.
        path: Of the file.
        take: Called with each part of it.
    """
    return await _taken(port, path, _Answer(take), Manner(), None)


async def _taken(port: int, path: str, answer: _Answer, manner: Manner, key: str | None) -> Outcome:
    await _exchange(port, _head("GET", path, key), answer, manner)
    return answer.refused() if answer.outcome.status not in (0, 200) else answer.outcome


def _head(method: str, path: str, key: str | None, headers: str = "") -> bytes:
    """A request's line and headers; the connection is for it alone."""
    if key is not None:
        headers += f"Authorization: Bearer {key}\r\n"
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n".encode()


@dataclass
class _Answer:
    """The callbacks of httptools' parser."""

    take: Callable[[bytes], None]
    outcome: Outcome = field(default_factory=Outcome)
    small: bytes = b""
    complete: bool = False
    keep: bool = False
    parser: Any = None

    def __post_init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        match name.lower():
            case b"retry-after":
                self.outcome.retry_after = value.decode()
            case b"x-export-snapshot":
                self.outcome.snapshot = value.decode()

    def on_headers_complete(self) -> None:
        self.outcome.status = self.parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        self.outcome.size += len(data)
        if self.outcome.status == 200 and not self.keep:
            self.take(data)
        else:
            self.small += data

    def on_message_complete(self) -> None:
        self.complete = True

    def ended(self) -> bool:
        return self.complete

    def refused(self) -> Outcome:
        self.outcome.ending = Ending.REFUSED
        self.outcome.detail = self.small.decode(errors="replace")
        return self.outcome


async def _exchange(port: int, request: bytes, answer: _Answer, manner: Manner) -> None:
    outcome = answer.outcome
    started = time.perf_counter()
    sock = socket.socket()
    sock.setblocking(False)
    if manner.rate is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_RECEIVE_BUFFER)
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.sock_sendall(sock, request)
        await _read(sock, answer, started, manner)
    except TimeoutError:
        outcome.ending = Ending.SILENT
    except (OSError, httptools.HttpParserError):
        outcome.ending = Ending.BROKEN
    finally:
        outcome.seconds = time.perf_counter() - started
        sock.close()


async def _read(sock: socket.socket, answer: _Answer, started: float, manner: Manner) -> None:
    """Read to the end of the message, of the connection, or of the client's patience."""
    loop = asyncio.get_running_loop()
    outcome, rate = answer.outcome, manner.rate
    step = READ_BYTES if rate is None else max(1, int(rate / SLOW_READS))
    received, stalled = 0, False
    began: float | None = None
    while not answer.ended():
        async with asyncio.timeout(ANSWER_SECONDS):
            data = await loop.sock_recv(sock, step)
        if not data:
            outcome.ending = Ending.BROKEN
            return
        if began is None:
            began = time.perf_counter()
            outcome.first = began - started
        answer.parser.feed_data(data)
        received += len(data)
        if answer.ended():
            break
        if manner.leave_after is not None and outcome.size >= manner.leave_after:
            outcome.ending = Ending.LEFT
            return
        if manner.stall_after is not None and outcome.size >= manner.stall_after and not stalled:
            stalled = True
            await asyncio.sleep(manner.stall_seconds)
        elif rate is not None:
            await asyncio.sleep(max(0.0, received / rate - (time.perf_counter() - began)))
    outcome.ending = Ending.COMPLETE
