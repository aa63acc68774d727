"""A replica that dies, stands still or cannot reach Redis; and Redis that goes away or is silent. In one process, with
short leases: what depends on the length of a pause.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from polyglot_export.errors import Cancelled
from polyglot_export.jobs.job import Job, JobStatus, PreparedFile
from polyglot_export.jobs.stores.base import StoreAway
from polyglot_export.jobs.stores.redis import RedisJobStore
from polyglot_export.request.parse import parse_spec
from polyglot_export.service.errors import ReplicaLost
from polyglot_export.service.replicas import lease_keeper
from polyglot_export.service.replicas import replica as replica_module
from polyglot_export.service.replicas.active import ActiveRun
from polyglot_export.service.replicas.replica import Replica
from polyglot_export.service.replicas.runs import Runs
from polyglot_export.service.webhooks.configured import Webhook
from polyglot_export.service.webhooks.messenger import Messenger
from tests.fixtures.proxy import Proxy
from tests.fixtures.redis import RedisServer
from tests.service.client import PATIENCE
from tests.service.sample_jobs import make_job

pytestmark = pytest.mark.anyio

LEASE = 0.4
CONTACT = 1.5
"""Seconds of contact after which a replica judges others: by far more than a test takes for what must come before
that."""
FILE = parse_spec({"format": "csv", "delivery": "file"})


async def until(what: Callable[[], bool]) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(PATIENCE):
        while not what():  # noqa: ASYNC110 - what is waited for is no event of this loop
            await asyncio.sleep(0.02)


@dataclass
class Taken:
    """Stands in for the preparations: remembers what it is given."""

    jobs: list[Job] = field(default_factory=list)
    attempts: int = 3
    room: int = 100

    @property
    def held(self) -> frozenset[str]:
        return frozenset(job.id for job in self.jobs)

    def submit(self, job: Job) -> None:
        self.jobs.append(job)

    def cancel(self, job_id: str) -> None:
        self.jobs = [job for job in self.jobs if job.id != job_id]

    def may_begin(self, job: Job) -> bool:
        return job.latest is None or job.latest.number < self.attempts

    def has_room(self, job: Job) -> bool:
        return self.may_begin(job) and len(self.jobs) < self.room


def was_stopped(active: ActiveRun) -> bool:
    return active.reason is not None


async def test_leases_do_not_depend_on_a_busy_event_loop(
    members: tuple[Member, Member], redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_keeper, "LATE_SECONDS", LEASE / 4)
    active = await members[0].begin()
    member = f"{active.job.id}/{active.run.number}/a"
    await asyncio.sleep(1)
    with redis_server.client() as client:
        time.sleep(3 * LEASE)  # noqa: ASYNC251 - nothing else runs on the loop meanwhile
        seconds, microseconds = client.time()
        score = client.zscore("m:leases", member)
    assert score is not None
    assert score > seconds * 1000 + microseconds / 1000, "the lease has lapsed"
    await asyncio.sleep(LEASE)
    assert not was_stopped(active)


def webhook_of(job: Job) -> Webhook:
    """No job of these tests has a webhook."""
    raise AssertionError(job)


class Member:
    """One replica of a service that delivers nothing."""

    def __init__(self, url: str, name: str) -> None:
        self.store = RedisJobStore(url, "m:", 100, lease=LEASE)
        self.runs = Runs(self.store, replica=name)
        self.taken = Taken()
        self.messenger = Messenger(self.store, webhook_of, lambda: 1, name)
        self.runs.outcomes.on_stored = self.messenger.told
        self.replica = Replica(self.store, self.runs, self.taken, self.messenger, name)
        self.replica.start()

    async def begin(self, **members: Any) -> ActiveRun:
        """A run of a new job."""
        made = await self.store.add(make_job(**members))
        return await self.runs.begin(made.id)

    async def shown(self, active: ActiveRun) -> Job:
        """The job as this replica sees it."""
        found = await self.store.get(active.job.id)
        assert found is not None
        return found

    async def status(self, active: ActiveRun, *, not_yet: JobStatus) -> JobStatus:
        """The status of the job, once it is not this one any more."""
        async with asyncio.timeout(PATIENCE):
            while (await self.shown(active)).status() is not_yet:  # noqa: ASYNC110 - another replica's doing
                await asyncio.sleep(0.02)
        return (await self.shown(active)).status()

    async def die(self) -> None:
        """As by SIGKILL: no word to the store."""
        await self.replica.close()

    async def close(self) -> None:
        await self.replica.close()
        await self.store.close()


@pytest.fixture
async def members(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Member, Member]]:
    """Two replicas in this process whose times are a small part of the real ones."""
    for name, seconds in (
        ("BEAT_SECONDS", 0.05),
        ("GAP_SECONDS", 0.25),
        ("CONTACT_SECONDS", CONTACT),
        ("SWEEP_SECONDS", 0.1),
    ):
        monkeypatch.setattr(replica_module, name, seconds)
    both = Member(redis_server.url, "a"), Member(redis_server.url, "b")
    yield both
    for member in both:
        await member.close()


@pytest.fixture
async def far(members: tuple[Member, Member], redis_server: RedisServer) -> AsyncIterator[tuple[Member, Proxy]]:
    """A third replica, whose way to Redis can be cut."""
    assert members
    with Proxy("127.0.0.1", redis_server.port) as proxy:
        member = Member(f"redis://127.0.0.1:{proxy.port}", "far")
        yield member, proxy
        proxy.heal()
        await member.close()


async def test_redis_is_away_for_longer_than_a_lease(
    members: tuple[Member, Member], far: tuple[Member, Proxy], redis_server: RedisServer
) -> None:
    _, other = members
    one, proxy = far
    goes_on, ends, file = await one.begin(), await one.begin(), await one.begin(spec=FILE)
    prepared = PreparedFile(1, "name", 7, "0" * 64, 3, file.job.created_at)
    await asyncio.sleep(CONTACT + 0.2)
    redis_server.stop()
    proxy.cut_after(0)
    await one.runs.end(ends, None)
    await one.runs.end(file, None, prepared)
    with pytest.raises(StoreAway):
        await one.shown(ends)
    await asyncio.sleep(2 * LEASE)
    redis_server.start()
    # The one that runs them is back later than the one that could judge it.
    await asyncio.sleep(LEASE)
    assert (await other.shown(ends)).status() is JobStatus.RUNNING
    proxy.heal()
    for active in (ends, file):
        assert await other.status(active, not_yet=JobStatus.RUNNING) is JobStatus.COMPLETED
    assert (await other.shown(file)).file == prepared
    await asyncio.sleep(CONTACT + LEASE)
    assert (await other.shown(goes_on)).status() is JobStatus.RUNNING
    await one.runs.end(goes_on, None)
    assert (await other.shown(goes_on)).status() is JobStatus.COMPLETED


async def test_a_silent_redis_is_no_reason_to_judge(
    members: tuple[Member, Member], far: tuple[Member, Proxy], redis_server: RedisServer
) -> None:
    _, other = members
    one, proxy = far
    active = await one.begin()
    await asyncio.sleep(CONTACT + 0.2)
    proxy.cut_after(0)
    await asyncio.sleep(0.1)
    redis_server.freeze()
    await asyncio.sleep(2 * LEASE)
    redis_server.thaw()
    await asyncio.sleep(LEASE)
    proxy.heal()
    await asyncio.sleep(CONTACT + LEASE)
    assert (await other.shown(active)).status() is JobStatus.RUNNING
    assert active.reason is None


async def test_who_cannot_reach_redis_tells_the_true_end_later(
    members: tuple[Member, Member], far: tuple[Member, Proxy]
) -> None:
    _, other = members
    one, proxy = far
    ends, goes_on, file = await one.begin(), await one.begin(), await one.begin(spec=FILE)
    proxy.cut_after(0)
    await one.runs.end(ends, None)
    await one.runs.end(file, None)
    for active in (ends, goes_on, file):
        assert await other.status(active, not_yet=JobStatus.RUNNING) is JobStatus.FAILED
    # Its client is served as long as nothing else is known.
    assert not was_stopped(goes_on)
    proxy.heal()
    # The client of one has the whole file; the other one is cut.
    assert await other.status(ends, not_yet=JobStatus.FAILED) is JobStatus.COMPLETED
    await until(lambda: goes_on.reason is not None)
    assert isinstance(goes_on.reason, ReplicaLost)
    assert (await other.shown(file)).runs[0].lost


async def test_a_paused_replica_is_overruled_and_cut(members: tuple[Member, Member]) -> None:
    one, other = members
    notices, ends, fails = await one.begin(), await one.begin(), await one.begin()
    await one.die()
    for active in (notices, ends, fails):
        assert await other.status(active, not_yet=JobStatus.RUNNING) is JobStatus.FAILED
    # It wakes up: one run is at its end before the replica has heard of anything.
    with pytest.raises(ReplicaLost):
        await one.runs.end(ends, None)
    await one.runs.end(fails, Cancelled("the export was cancelled"))
    one.replica.start()
    await until(lambda: notices.reason is not None)
    assert isinstance(notices.reason, ReplicaLost)
    await one.runs.end(notices, notices.reason)
    for active in (notices, ends, fails):
        assert (await one.shown(active)).runs[0].lost


async def test_files_of_a_lost_replica_are_begun_again_elsewhere(members: tuple[Member, Member]) -> None:
    one, other = members
    running = await one.begin(spec=FILE)
    cancelled = await one.begin(spec=FILE)
    stream = await one.begin()
    waiting = await one.store.add(make_job(spec=FILE, taken_by="a"))
    await other.store.update(cancelled.job.id, lambda job: job.cancelled(job.created_at))
    await one.die()
    for active in (running, stream):
        assert await other.status(active, not_yet=JobStatus.RUNNING) is JobStatus.FAILED
    await until(lambda: len(other.taken.jobs) >= 2)
    # What has been taken up is not taken up again as long as it waits or lasts.
    await asyncio.sleep(2 * LEASE)
    again = await other.runs.begin(running.job.id)
    assert again.run.number == 2
    await asyncio.sleep(2 * LEASE)
    assert [job.id for job in other.taken.jobs if job.id == running.job.id] == [running.job.id]
    assert other.taken.held == {running.job.id, waiting.id}
    assert len(other.taken.jobs) == 2
    other.taken.jobs.clear()
    await other.runs.end(again, None)
    await asyncio.sleep(0.2)
    assert (await other.shown(again)).status() is JobStatus.COMPLETED


async def test_a_file_is_not_begun_for_ever(members: tuple[Member, Member]) -> None:
    one, other = members
    other.taken.attempts = 1
    active = await one.begin(spec=FILE)
    await one.die()
    assert await other.status(active, not_yet=JobStatus.RUNNING) is JobStatus.FAILED
    await asyncio.sleep(2 * LEASE)
    assert other.taken.jobs == []


async def test_a_cancel_of_another_replica_stops_the_run(members: tuple[Member, Member]) -> None:
    one, other = members
    active = await one.begin()
    await other.store.update(active.job.id, lambda job: job.cancelled(job.created_at))
    await until(lambda: active.reason is not None)
    assert isinstance(active.reason, Cancelled)
