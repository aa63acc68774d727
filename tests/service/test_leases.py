"""Leases: exactly one replica ends what a lost one was running, and nobody is called lost who is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from polyglot_export.jobs.job import JobStatus, Run, now
from polyglot_export.jobs.stores.base import Lease, Pulse, SharedJobStore
from polyglot_export.jobs.stores.redis import RedisJobStore
from tests.fixtures.redis import RedisServer
from tests.service.client import PATIENCE
from tests.service.sample_jobs import START, ended, make_job

pytestmark = pytest.mark.anyio

LEASE = 1.0
"""Seconds of the leases below: the real ones are longer and only the waiting would differ."""


@pytest.fixture
async def leasing(shared_redis: RedisServer, redis_prefix: str) -> AsyncIterator[RedisJobStore]:
    """A Redis store with short leases."""
    store = RedisJobStore(shared_redis.url, redis_prefix, 5, lease=LEASE)
    yield store
    await store.close()


async def claimed(store: SharedJobStore, replica: str, seconds: float) -> list[Lease]:
    """What a replica can claim within some time."""
    found: list[Lease] = []
    deadline = asyncio.get_running_loop().time() + seconds
    while not found and asyncio.get_running_loop().time() < deadline:
        found = await store.claim(replica, 10)
        await asyncio.sleep(0.02)
    return found


async def test_a_renewed_lease_is_nobody_elses(leasing: RedisJobStore) -> None:
    job = make_job().with_new_run(START, "a")
    await leasing.add(job)
    run = job.runs[0]
    for rows in range(1, 8):
        pulse = await leasing.renew("a", [Lease(job.id, 1, replace(run, rows=rows))])
        assert pulse == Pulse(frozenset(), frozenset())
        assert await claimed(leasing, "b", LEASE / 5) == []
        assert (await leasing.get(job.id)) == replace(job, runs=(replace(run, rows=rows),))
        assert (await leasing.page(None, limit=1))[0].runs[0].rows == rows


async def test_a_mark_is_seen_by_all(leasing: RedisJobStore) -> None:
    assert (await leasing.renew("a", [])).mark == ""
    assert await leasing.leave_mark("first") == ""
    assert await leasing.leave_mark("second") == "first"
    for replica in "ab":
        assert (await leasing.renew(replica, [])).mark == "second"


async def test_a_lapsed_lease_is_claimed_by_one(leasing: RedisJobStore) -> None:
    job = make_job().with_new_run(START, "a")
    await leasing.add(job)
    await leasing.renew("a", [Lease(job.id, 1, replace(job.runs[0], rows=7))])
    found: list[list[Lease]] = []
    async with asyncio.timeout(PATIENCE):
        while not any(found):
            found = await asyncio.gather(*(leasing.claim(name, 10) for name in "bcd"))
            await asyncio.sleep(0.02)
    assert sorted(found, key=len) == [[], [], [Lease(job.id, 1)]]
    winner = "bcd"[[len(leases) for leases in found].index(1)]
    # The verdict is not given yet, so nothing is lost; the winner may die as well.
    assert (await leasing.renew("a", [Lease(job.id, 1, job.runs[0])])).lost == frozenset()
    assert await claimed(leasing, "e", PATIENCE) == [Lease(job.id, 1)]
    judged = await leasing.update(job.id, lambda known: known.with_lost_run(1, now()))
    assert judged is not None
    assert judged.status() is JobStatus.FAILED
    assert judged.runs[0].lost
    assert judged.runs[0].rows == 7
    await leasing.release("e", Lease(job.id, 1))
    assert (await leasing.renew("a", [Lease(job.id, 1, job.runs[0])])).lost == {(job.id, 1)}
    assert await claimed(leasing, winner, 2 * LEASE) == []


async def test_a_clock_that_is_set_forward_costs_nobody_a_lease(shared_redis: RedisServer, redis_prefix: str) -> None:
    # A quarter of it is the moment after which a lapsed lease is looked at again: longer than these calls take on any
    # machine.
    leasing = RedisJobStore(shared_redis.url, redis_prefix, 5, lease=4 * LEASE)
    job = make_job().with_new_run(START, "a")
    await leasing.add(job)
    with shared_redis.client() as client:
        client.zadd(f"{redis_prefix}leases", {f"{job.id}/1/a": 1.0})
    for name in "bcb":
        assert await leasing.claim(name, 10) == []
    await leasing.renew("a", [Lease(job.id, 1, job.runs[0])])
    assert await claimed(leasing, "b", 1.5 * LEASE) == []
    await leasing.close()


async def test_the_lease_ends_with_the_run(leasing: RedisJobStore) -> None:
    job = make_job()
    await leasing.add(job)
    await leasing.update(job.id, lambda known: known.with_new_run(START, "a"))
    await leasing.renew("a", [Lease(job.id, 1, Run(1, START, rows=3))])
    done = await leasing.update(job.id, lambda known: ended(known, JobStatus.COMPLETED))
    assert await claimed(leasing, "b", 2 * LEASE) == []
    assert await leasing.get(job.id) == done


async def test_a_job_that_waits_in_a_replica_has_a_lease(leasing: RedisJobStore) -> None:
    waiting, begun, cancelled = (make_job(taken_by="a") for _ in range(3))
    for job in (waiting, begun, cancelled):
        await leasing.add(job)
    await leasing.update(begun.id, lambda job: ended(job.with_new_run(START, "a"), JobStatus.FAILED))
    await leasing.update(cancelled.id, lambda job: job.cancelled(START))
    assert await claimed(leasing, "b", PATIENCE) == [Lease(waiting.id, 0)]


async def test_a_cancel_reaches_the_replica_that_runs_it(leasing: RedisJobStore) -> None:
    job = make_job().with_new_run(START, "a")
    await leasing.add(job)
    await leasing.update(job.id, lambda known: known.cancelled(START))
    for _ in range(2):
        assert (await leasing.renew("a", [Lease(job.id, 1, job.runs[0])])).cancelled == {job.id}
    await leasing.update(job.id, lambda known: ended(known, JobStatus.CANCELLED))
    assert (await leasing.renew("a", [])).cancelled == frozenset()


async def test_a_server_that_has_lost_its_data_cuts_nothing(leasing: RedisJobStore) -> None:
    job = make_job().with_new_run(START, "a")
    assert await leasing.renew("a", [Lease(job.id, 1, job.runs[0])]) == Pulse(frozenset(), frozenset())
