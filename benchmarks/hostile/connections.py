"""Attacks of who has no key: heads, trailers, pipelines, connections."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable

from benchmarks.hostile.target import Attack, Facts, Target, add, connect, request, status_of

__all__ = ["ATTACKS"]

BLOCK = 64 << 10
TRAILER_BYTES = 64 << 20
"""Sent by one connection at most: more than twice of what ended the process."""
HEAD_BYTES = 65_000
BEGIN_SECONDS = 4.0
"""In which the connections of an attack are made. More at one moment than the kernel has places for them would be a
flood of SYNs, against which a service can do nothing: the kernel drops those of honest clients, who try again a second
later."""
PIPELINE_BYTES = 256 << 10
AGAIN_SECONDS = (5.0, 15.0)
"""After which a connection that was ended is made anew, from and to: an attacker who comes back, and not a flood that
keeps the cores of the machine busy with new connections alone."""
IDLE_SECONDS = 80.0
"""An idle connection is closed after 75 s (docs/operations.md, Time-outs); an unfinished request is one at the latest
when it was answered."""
IDLE = 3_000
UNFINISHED = 450
FEW_DESCRIPTORS = 1_024


async def trailers(target: Target) -> Facts:
    """A chunked body that ends, and then trailers for ever."""
    facts: Facts = {}
    line = b"X-Trailer: " + b"t" * 100 + b"\r\n"
    block = line * (BLOCK // len(line))
    head = request("POST", "/health/live", headers="Transfer-Encoding: chunked\r\n") + b"0\r\n"

    async def one() -> None:
        with await connect(target) as sock:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(sock, head)
            sent = 0
            while sent < TRAILER_BYTES:
                await loop.sock_sendall(sock, block)
                sent += len(block)
                facts["most kB of one connection"] = max(facts.get("most kB of one connection", 0), sent >> 10)

    await _for_ever(target, 1, one, facts)
    return facts


async def tiny_headers(target: Target) -> Facts:
    """Heads of nothing but tiny headers, which are not ended."""
    facts: Facts = {}
    payload = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n" + b"a:\r\n" * (HEAD_BYTES // 4)

    async def one() -> None:
        with await connect(target) as sock:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(sock, payload)
            while await loop.sock_recv(sock, BLOCK):
                pass

    await _for_ever(target, 600, one, facts)
    return facts


async def pipelines(target: Target) -> Facts:
    """Requests in a row, whose answers nobody reads."""
    facts: Facts = {}
    single = request("GET", "/health/live")
    payload = single * (PIPELINE_BYTES // len(single))

    async def one() -> None:
        with await connect(target, deaf=True) as sock:
            await asyncio.get_running_loop().sock_sendall(sock, payload)
            add(facts, "pipelines taken whole")
            await asyncio.sleep(target.left())

    await _for_ever(target, 200, one, facts)
    return facts


async def unfinished(target: Target) -> Facts:
    """Requests that lack their body: answered, or refused for want of a key, and never finished. A first byte of the
    body that comes after the answer stops a timer that only waits for the next request.
    """
    facts: Facts = {}
    loop = asyncio.get_running_loop()
    get = request("GET", "/health/live", headers="Content-Length: 100\r\n")
    post = request("POST", "/exports", headers="Content-Type: application/json\r\nContent-Length: 100000\r\n")
    socks: list[socket.socket] = []
    try:
        for payload in (get, post):
            for _ in range(UNFINISHED):
                try:
                    sock = await connect(target)
                    socks.append(sock)
                    await loop.sock_sendall(sock, payload)
                    async with asyncio.timeout(5):
                        add(facts, f"answered {status_of(await loop.sock_recv(sock, BLOCK)) or 'not'}")
                        await loop.sock_sendall(sock, b"{")
                except (OSError, TimeoutError):
                    add(facts, "ended early")
        facts["opened"] = len(socks)
        await asyncio.sleep(target.left())
        facts["open at the end"] = sum(_is_open(sock) for sock in socks)
    finally:
        for sock in socks:
            sock.close()
    return facts


async def idle(target: Target) -> Facts:
    """Connections that say nothing, more than the process has descriptors."""
    facts: Facts = {}

    async def one() -> None:
        with await connect(target) as sock:
            while await asyncio.get_running_loop().sock_recv(sock, BLOCK):
                pass

    await _for_ever(target, IDLE, one, facts)
    return facts


async def _for_ever(target: Target, count: int, one: Callable[[], Awaitable[None]], facts: Facts) -> None:
    """So many connections at once, each made anew when it was ended, to the end of the attack."""

    async def again() -> None:
        await asyncio.sleep(random.uniform(0, BEGIN_SECONDS))
        while not target.over:
            add(facts, "connections")
            try:
                await one()
            except (OSError, TimeoutError):
                add(facts, "broken")
            else:
                add(facts, "ended")
            await asyncio.sleep(random.uniform(*AGAIN_SECONDS))

    tasks = [asyncio.create_task(again()) for _ in range(count)]
    await asyncio.wait(tasks, timeout=target.left())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _is_open(sock: socket.socket) -> bool:
    """Whether the peer has not closed; what it has sent is read away."""
    try:
        while sock.recv(BLOCK):
            pass
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


ATTACKS = (
    Attack(1, "trailers", "no key", "a chunked body, then trailers for ever", trailers),
    Attack(2, "tiny-headers", "no key", "600 connections with 65 kB of tiny headers each", tiny_headers),
    Attack(3, "pipelines", "no key", "200 connections with 256 kB of GETs each, nothing read", pipelines, seconds=40),
    Attack(
        10,
        "unfinished",
        "no key",
        "450 GETs and 450 POSTs with a byte of their bodies, 1,024 descriptors",
        unfinished,
        seconds=IDLE_SECONDS + 10,
        descriptors=FEW_DESCRIPTORS,
        limits=(("open at the end", 0),),
    ),
    Attack(
        11,
        "idle",
        "no key",
        "3,000 idle connections, 1,024 descriptors",
        idle,
        descriptors=FEW_DESCRIPTORS,
        logged=True,
    ),
)
