"""Attacks of who has a key by what it takes from the others: events, places for jobs, the queue, connections."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import psycopg

from benchmarks.hostile.bodies import create, list_body, text_body
from benchmarks.hostile.target import Attack, Facts, Target, add, connect, request, status_of

__all__ = ["ATTACKS"]

STREAMS = 100
SMALL = 1_005
"""Exports: a few more than the service keeps (POLYGLOT_MAX_JOBS)."""
QUEUED = 40
QUEUED_BYTES = 300_000
SLOW_CLIENTS = 14
SLOW_BYTES = 600
"""Read ten times a second."""
LOCKED_DOWNLOADS = 12
POSTS_AT_ONCE = 8


async def event_streams(target: Target) -> Facts:
    """Many look at one export with a large spec."""
    facts: Facts = {}
    export_id = await _large(target, facts)
    payload = request("GET", f"/exports/{export_id}/events", target.key)

    async def one() -> None:
        loop = asyncio.get_running_loop()
        with suppress(OSError, TimeoutError), await connect(target) as sock:
            await loop.sock_sendall(sock, payload)
            data = await loop.sock_recv(sock, 256 << 10)
            add(facts, f"streams {status_of(data) or 'unanswered'}")
            while data := await loop.sock_recv(sock, 256 << 10):
                add(facts, "kB of events", len(data) >> 10)

    await _together(target, [asyncio.create_task(one()) for _ in range(STREAMS)])
    return facts


async def large_jobs(target: Target) -> Facts:
    """Few exports of the largest size, which push others out."""
    facts: Facts = {}
    for _ in range(3):
        await _large(target, facts)
    return facts


async def many_jobs(target: Target) -> Facts:
    """Many small exports, which push others out."""
    facts: Facts = {}
    numbers = iter(range(SMALL))

    async def one() -> None:
        for number in numbers:
            if target.over:
                return
            spec = {"format": "csv", "dataset": "records", "limit": number + 1}
            await create(target, json.dumps(spec).encode(), facts)

    await asyncio.gather(*(one() for _ in range(POSTS_AT_ONCE)))
    return facts


async def queued_files(target: Target) -> Facts:
    """Slow files in all places, and then a queue of large specs."""
    facts: Facts = {}
    slow = json.dumps({"format": "csv", "dataset": "slow", "delivery": "file"}).encode()
    for _ in range(4):
        await create(target, slow, facts)
    for _ in range(QUEUED):
        if target.over:
            break
        await create(target, list_body(QUEUED_BYTES, delivery="file"), facts)
        await create(target, text_body(QUEUED_BYTES, delivery="file"), facts)
    await asyncio.sleep(min(5.0, target.left()))
    return facts


async def slow_clients(target: Target) -> Facts:
    """Downloads that read as slowly as a client may."""
    facts: Facts = {}
    spec = json.dumps({"format": "csv", "dataset": "records"}).encode()

    async def one() -> None:
        loop = asyncio.get_running_loop()
        while not target.over:
            export_id = await create(target, spec, facts)
            with suppress(OSError, TimeoutError), await connect(target, deaf=True) as sock:
                await loop.sock_sendall(sock, request("GET", f"/exports/{export_id}/download", target.key))
                data = await loop.sock_recv(sock, SLOW_BYTES)
                add(facts, f"GET {status_of(data) or 'unanswered'}")
                while data and not target.over:
                    await asyncio.sleep(0.1)
                    data = await loop.sock_recv(sock, SLOW_BYTES)
            await asyncio.sleep(0.5)

    await _together(target, [asyncio.create_task(one()) for _ in range(SLOW_CLIENTS)])
    return facts


async def locked_table(target: Target) -> Facts:
    """Downloads of a table that somebody has locked."""
    facts: Facts = {}
    spec = json.dumps({"format": "csv", "dataset": "locked"}).encode()

    async def one() -> None:
        loop = asyncio.get_running_loop()
        while not target.over:
            export_id = await create(target, spec, facts)
            with suppress(OSError, TimeoutError), await connect(target) as sock:
                await loop.sock_sendall(sock, request("GET", f"/exports/{export_id}/download", target.key))
                add(facts, f"GET {status_of(await loop.sock_recv(sock, 4096)) or 'unanswered'}")
            await asyncio.sleep(0.5)

    async with await psycopg.AsyncConnection.connect(target.dsn) as connection:
        await connection.execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE")
        await _together(target, [asyncio.create_task(one()) for _ in range(LOCKED_DOWNLOADS)])
    return facts


async def _large(target: Target, facts: Facts) -> str:
    """The id of an export with the largest spec that the service takes: a list, else a text."""
    export_id = await create(target, list_body(), facts)
    for size in (1_000_000, 300_000, 60_000):
        export_id = export_id or await create(target, text_body(size), facts)
    return export_id


async def _together(target: Target, tasks: list[asyncio.Task[None]]) -> None:
    """Wait for them to the end of the attack at most."""
    done, _ = await asyncio.wait(tasks, timeout=target.left())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


ATTACKS = (
    Attack(
        6,
        "event-streams",
        "key, Redis",
        "100 event streams of one export with a spec of 1 MB, two replicas",
        event_streams,
        seconds=30,
        redis=True,
    ),
    Attack(7, "large-jobs", "key", "three POSTs of 1 MB", large_jobs),
    Attack(7, "many-jobs", "key", "1,005 small POSTs", many_jobs, seconds=90),
    Attack(
        8,
        "queued-files",
        "key",
        "four slow prepared files, then 80 POSTs of 300 kB",
        queued_files,
        seconds=30,
        lasting=True,
    ),
    Attack(12, "slow-clients", "key", "14 downloads at 6 kB/s", slow_clients, seconds=40),
    Attack(12, "locked-table", "key", "12 downloads of a table under ACCESS EXCLUSIVE", locked_table, seconds=40),
)
