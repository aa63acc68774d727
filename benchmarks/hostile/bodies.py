"""Attacks of who has a key by what it posts: long lists, bodies without end, messages that repeat what was sent."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from benchmarks.hostile.target import Attack, Facts, Target, add, connect, exchange, request, status_of

__all__ = ["ATTACKS", "create", "list_body", "text_body"]

LARGE = (1 << 20) - 512
"""Bytes of a body: a little less than POLYGLOT_MAX_BODY allows."""
UNENDED = 300
BETWEEN_SECONDS = 0.01
"""Between two connections, which shall not be a flood of SYNs."""
TEXT_BYTES = 900_000
TEXT_DOWNLOADS = 160
TEXTS_AT_ONCE = 8
ANSWER_BYTES = 16 << 10
"""Of an answer with an error: its message of 1 KB, quoted, and what stands around it."""


def list_body(size: int = LARGE, **members: Any) -> bytes:
    """A spec of that many bytes, nearly all of which are the list of a filter."""
    return _spec("in", [1] * (size // 2 - 100), members)


def text_body(size: int, column: str = "name", **members: Any) -> bytes:
    """A spec of that many bytes, nearly all of which are the text of a filter. One character of it is beyond the first
    plane, so that Python keeps four bytes for each.
    """
    return _spec("=", "x" * (size - 200) + "\U0001f600", members, column)


async def create(target: Target, body: bytes, facts: Facts) -> str:
    """``POST /exports``; counts the status, gives the id or an empty string."""
    answer, size = await exchange(
        target, request("POST", "/exports", target.key, body, headers="Connection: close\r\n")
    )
    status = status_of(answer)
    add(facts, f"POST {status or 'unanswered'}")
    facts["largest answer"] = max(facts.get("largest answer", 0), size if status != 201 else 0)
    if status != 201:
        return ""
    # The id is in the header Location; the body may repeat the spec and be long.
    head = answer.partition(b"\r\n\r\n")[0].lower()
    return head.partition(b"location:")[2].split(b"\r\n", 1)[0].strip().rpartition(b"/")[2].decode()


async def download(target: Target, export_id: str, facts: Facts) -> None:
    """Read a file, count the status."""
    answer, size = await exchange(
        target, request("GET", f"/exports/{export_id}/download", target.key, headers="Connection: close\r\n")
    )
    status = status_of(answer)
    add(facts, f"GET {status or 'unanswered'}")
    if status != 200:
        facts["largest answer"] = max(facts.get("largest answer", 0), size)


async def one_list(target: Target) -> Facts:
    """A list, and the download of it."""
    facts: Facts = {}
    export_id = await create(target, list_body(), facts)
    if export_id:
        await download(target, export_id, facts)
    await asyncio.sleep(min(5.0, target.left()))
    return facts


async def six_at_once(target: Target) -> Facts:
    """Six at a time: lists, texts, members of objects, and lists in lists."""
    facts: Facts = {}
    members = b'{"format":"csv","options":{' + b",".join(b'"%x":1' % n for n in range(LARGE // 12)) + b"}}"
    nested = b'{"format":"csv","columns":' + b"[" * (LARGE // 2 - 50) + b"]" * (LARGE // 2 - 50) + b"}"
    for body in (list_body(), text_body(LARGE), members, nested, list_body()):
        await asyncio.gather(*(create(target, body, facts) for _ in range(6)))
    return facts


async def posted_lists(target: Target) -> Facts:
    """Three clients that post one after another."""
    facts: Facts = {}

    async def one() -> None:
        body = list_body()
        while not target.over:
            await create(target, body, facts)

    await asyncio.gather(*(one() for _ in range(3)))
    return facts


async def unended_bodies(target: Target) -> Facts:
    """Bodies that lack their last byte."""
    facts: Facts = {}
    payload = request("POST", "/exports", target.key, list_body())[:-1]

    async def one() -> None:
        loop = asyncio.get_running_loop()
        try:
            with await connect(target) as sock:
                add(facts, "connections")
                await loop.sock_sendall(sock, payload)
                add(facts, "sent but for a byte")
                answer = await loop.sock_recv(sock, 4096)
                add(facts, f"POST {status_of(answer) or 'unanswered'}")
        except (OSError, TimeoutError):
            add(facts, "broken")

    tasks = []
    for _ in range(UNENDED):
        tasks.append(asyncio.create_task(one()))
        await asyncio.sleep(BETWEEN_SECONDS)
    await asyncio.wait(tasks, timeout=target.left())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return facts


async def repeated_text(target: Target) -> Facts:
    """A text against an integer, which the server's message repeats."""
    facts: Facts = {}
    export_id = await create(target, text_body(TEXT_BYTES, "id"), facts)
    for _ in range(TEXT_DOWNLOADS):
        if not export_id or target.over:
            break
        await download(target, export_id, facts)
    return facts


async def texts_at_once(target: Target) -> Facts:
    """The same text against two columns, several downloads of each at a time."""
    facts: Facts = {}
    exports = [await create(target, text_body(TEXT_BYTES, column), facts) for column in ("id", "name")]

    async def one(export_id: str) -> None:
        for _ in range(TEXT_DOWNLOADS // TEXTS_AT_ONCE):
            if export_id and not target.over:
                await download(target, export_id, facts)

    await asyncio.gather(*(one(exports[number % 2]) for number in range(TEXTS_AT_ONCE)))
    return facts


def _spec(operator: str, value: object, members: dict[str, Any], column: str = "id") -> bytes:
    term = {"column": column, "op": operator, "value": value}
    spec = {"format": "csv", "dataset": "records", "filter": [term], **members}
    return json.dumps(spec, separators=(",", ":")).encode()


ATTACKS = (
    Attack(4, "one-list", "key", "one POST with a list of 1 MB, and its download", one_list),
    Attack(4, "six-at-once", "key", "six POSTs of 1 MB at a time: lists, texts, members, nested lists", six_at_once),
    Attack(4, "unended-bodies", "key", "300 bodies of 1 MB that lack their last byte", unended_bodies),
    Attack(5, "posted-lists", "key", "three clients that post lists of 1 MB", posted_lists),
    Attack(
        9,
        "repeated-text",
        "key",
        "a text of 900 kB against an integer column, downloaded 160 times",
        repeated_text,
        seconds=60,
        limits=(("largest answer", ANSWER_BYTES),),
    ),
    Attack(
        9,
        "texts-at-once",
        "key",
        "eight downloads at a time of texts of 900 kB, against an integer and a text column",
        texts_at_once,
        seconds=60,
        limits=(("largest answer", ANSWER_BYTES),),
    ),
)
