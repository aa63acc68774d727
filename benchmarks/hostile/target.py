"""What an attack is told, and the plain sockets that it works with."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["Attack", "Facts", "Target", "add", "connect", "exchange", "request", "status_of"]

ANSWER_SECONDS = 30.0
"""How long an attacker waits for an answer; a service that is silent so long shows in the honest clients' figures."""
RECEIVE_BUFFER = 4 << 10
"""Of a client that reads nothing: its kernel shall take little more than it does."""
KEPT_BYTES = 64 << 10
"""Of an answer that is looked at; the rest is counted."""

Facts: TypeAlias = dict[str, int]
"""What the attacker saw, in words and numbers, in the order in which it is shown."""


@dataclass(frozen=True)
class Target:
    """The service under attack, always on 127.0.0.1.

    Attributes:
        port: Where it listens.
        key: A key of the attacker's own.
        dsn: The database, for what another user of it may do.
        until: When the attack ends (:func:`time.monotonic`).
    """

    port: int
    key: str
    dsn: str
    until: float

    @property
    def over(self) -> bool:
        """Whether it is time to end."""
        return time.monotonic() >= self.until

    def left(self) -> float:
        """Seconds to the end."""
        return max(0.0, self.until - time.monotonic())


@dataclass(frozen=True)
class Attack:
    """A row of the table.

    Attributes:
        row: Its number; the ways of one row share it.
        name: For the command line.
        who: What the attacker has: no key, a key.
        what: The attack in a few words.
        run: Does it, and tells what it saw.
        seconds: How long it needs to do its harm; half of it is too short for some.
        redis: Whether two replicas share their jobs in Redis.
        descriptors: What the process may open, where that matters.
        limits: The most that a fact may be.
        logged: Whether the log has to say something about it.
        lasting: Whether the service works on it long after the attack.
    """

    row: int
    name: str
    who: str
    what: str
    run: Callable[[Target], Coroutine[Any, Any, Facts]]
    seconds: float = 20.0
    redis: bool = False
    descriptors: int | None = None
    limits: tuple[tuple[str, int], ...] = ()
    logged: bool = False
    lasting: bool = False


async def connect(target: Target, *, deaf: bool = False) -> socket.socket:
    """A connection; a deaf one has a small buffer for what it does not read.

    Raises:
        OSError: It was not taken.
    """
    sock = socket.socket()
    try:
        sock.setblocking(False)
        if deaf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        async with asyncio.timeout(ANSWER_SECONDS):
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", target.port))
    except BaseException:
        sock.close()
        raise
    return sock


def request(method: str, path: str, key: str = "", body: bytes = b"", headers: str = "") -> bytes:
    """A request as bytes, with the headers that it needs and those that are given (each ends with CR LF)."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}"
    if key:
        head += f"Authorization: Bearer {key}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


async def exchange(target: Target, payload: bytes) -> tuple[bytes, int]:
    """Send a request on a connection of its own, read what comes until the peer closes.

    Returns:
        The beginning of the answer, and how long all of it was; nothing where the connection broke.
    """
    loop = asyncio.get_running_loop()
    kept, size = bytearray(), 0
    try:
        sock = await connect(target)
    except (OSError, TimeoutError):
        return b"", 0
    with sock:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await loop.sock_sendall(sock, payload)
                while data := await loop.sock_recv(sock, 256 << 10):
                    size += len(data)
                    kept += data[: KEPT_BYTES - len(kept)]
        except (OSError, TimeoutError):
            pass
    return bytes(kept), size


def status_of(answer: bytes) -> int:
    """The status of an answer, 0 where none came."""
    parts = answer[:32].split(b" ", 2)
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0


def add(facts: Facts, name: str, count: Any = 1) -> None:
    """Count something."""
    facts[name] = facts.get(name, 0) + int(count)
