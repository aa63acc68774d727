"""What every store counts of its callers, in the same way."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator

import pytest

from polyglot_export.jobs.stores.base import JobStore
from polyglot_export.jobs.stores.ledger import MAX_KNOWN, MINUTE, Ledger, MemoryLedger
from polyglot_export.jobs.stores.registry import STORES, open_store
from tests.contracts.test_job_stores import url_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """As the service."""
    return "asyncio"


@pytest.fixture(params=STORES, ids=lambda kind: kind.name)
async def store(request: pytest.FixtureRequest, redis_prefix: str) -> AsyncIterator[JobStore]:
    opened = open_store(url_of(request.param, request), prefix=redis_prefix, max_jobs=5)
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def ledger(store: JobStore) -> Ledger:
    return store.ledger


async def test_a_minute_of_requests_at_once_and_then_one_by_one(ledger: Ledger) -> None:
    waits = [await ledger.request("a", 6) for _ in range(8)]
    assert waits[:6] == [0.0] * 6
    # What was refused does not count.
    assert all(0 < wait <= MINUTE / 6 for wait in waits[6:])
    assert await ledger.request("b", 6) == 0.0
    assert [await ledger.request("one", 1) > 0 for _ in range(2)] == [False, True]


async def test_a_request_is_allowed_when_its_part_of_the_minute_has_passed(ledger: Ledger) -> None:
    many = 600
    waits = [await ledger.request("a", many) for _ in range(many + 200)]
    first = next(index for index, wait in enumerate(waits) if wait)
    assert first >= many
    await asyncio.sleep(waits[first] + MINUTE / many)
    assert await ledger.request("a", many) == 0.0


async def test_places_are_as_many_as_there_are(ledger: Ledger) -> None:
    assert [await ledger.enter("a", ticket, 2, 60) for ticket in "123"] == [True, True, False]
    assert await ledger.enter("b", "4", 2, 60)
    assert (await ledger.places("a"), await ledger.places("b"), await ledger.places("c")) == (2, 1, 0)
    await ledger.leave("a", "1")
    await ledger.leave("a", "1")
    await ledger.renew("a", ["2"], 60)
    assert await ledger.places("a") == 1
    assert await ledger.enter("a", "3", 2, 60)


async def test_many_at_once_get_no_more_places(ledger: Ledger) -> None:
    found = await asyncio.gather(*(ledger.enter("a", str(number), 3, 60) for number in range(12)))
    assert sum(found) == 3


async def test_bytes_of_a_day(ledger: Ledger) -> None:
    assert await ledger.spend("a", "2026-01-31", 5) == 5
    assert await ledger.spend("a", "2026-01-31", 7) == 12
    assert await ledger.spend("b", "2026-01-31", 0) == 0
    assert await ledger.spend("a", "2026-02-01", 1) == 1
    # What the last second of a day has sent is told in the next one, and is not of it.
    await ledger.spend("a", "2026-01-31", 100)
    assert await ledger.spend("a", "2026-02-01", 0) == 1


async def test_a_replica_that_is_lost_gives_its_places_back(store: JobStore) -> None:
    if isinstance(store.ledger, MemoryLedger):
        # Its places are gone with the process.
        return
    assert await store.ledger.enter("a", "lost", 1, 0.2)
    await asyncio.sleep(0.5)
    assert await store.ledger.enter("a", "next", 1, 60)
    # What it says when it wakes up again changes nothing.
    await store.ledger.renew("a", ["lost"], 60)
    assert await store.ledger.places("a") == 1


async def test_the_memory_of_a_process_is_bounded() -> None:
    ledger = MemoryLedger()
    await ledger.request("first", 1)
    for number in range(MAX_KNOWN):
        await ledger.request(f"caller {number}", 1)
        await ledger.spend(f"caller {number}", "2026-01-31", 1)
    assert math.isclose(await ledger.request("first", 1), 0.0), "who was quiet for the longest time begins anew"
    last = f"caller {MAX_KNOWN - 1}"
    assert await ledger.request(last, 1) > 0
    assert await ledger.spend(last, "2026-01-31", 1) == 2
