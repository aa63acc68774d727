"""What every store of jobs promises; each store of the registry keeps it, whatever it is made of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from polyglot_export.errors import Busy, SpecError
from polyglot_export.jobs.job import EXPIRED_KEPT, Job, JobStatus, RequestKey, now
from polyglot_export.jobs.stores.base import MAX_WEIGHT, JobStore, cursor_of
from polyglot_export.jobs.stores.registry import STORES, StoreKind, open_store
from polyglot_export.request.parse import parse_spec
from tests.fixtures.redis import RedisServer
from tests.service.sample_jobs import HOUR, START, ended, make_job

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """As the service."""
    return "asyncio"


def url_of(kind: StoreKind, request: pytest.FixtureRequest) -> str:
    """Where the tests find a store of this kind."""
    if kind.name == "memory":
        return "memory://"
    if kind.name == "redis":
        server: RedisServer = request.getfixturevalue("shared_redis")
        return server.url
    raise AssertionError(f"say here where the tests find a store of the kind {kind.name}")


@pytest.fixture(params=STORES, ids=lambda kind: kind.name)
async def store(request: pytest.FixtureRequest, redis_prefix: str) -> AsyncIterator[JobStore]:
    """A store that keeps five jobs."""
    opened = open_store(url_of(request.param, request), prefix=redis_prefix, max_jobs=5)
    try:
        yield opened
        if request.param.name == "redis":
            assert_no_stray_keys(request.getfixturevalue("shared_redis"), redis_prefix)
    finally:
        await opened.close()


def assert_no_stray_keys(server: RedisServer, prefix: str) -> None:
    """Every job that is left is in its indexes, and nothing else is there: forgotten jobs leave nothing behind."""
    with server.client() as client:
        ids = set(client.hkeys(f"{prefix}meta"))
        keys = {str(key).removeprefix(prefix) for key in client.scan_iter(f"{prefix}*")}
        idle = set(client.zrange(f"{prefix}idle", 0, -1))
        assert idle == set(client.zrange(f"{prefix}expiry", 0, -1))
        assert idle <= ids
        assert {key.removeprefix("job:") for key in keys if key.startswith("job:")} == ids
        assert {key.removeprefix("progress:") for key in keys if key.startswith("progress:")} <= ids - idle
        places = [place for key in keys if key.startswith("owner:") for place in client.zrange(prefix + key, 0, -1)]
        assert sorted(place.partition("-")[2] for place in places) == sorted(ids)
        assert {client.get(prefix + key) for key in keys if key.startswith("key:")} <= ids
        assert all(client.pttl(f"{prefix}job:{job_id}") > 0 for job_id in idle)
        assert all(client.pttl(f"{prefix}job:{job_id}") == -1 for job_id in ids - idle)


async def test_pages_have_every_job_of_the_owner_once(store: JobStore) -> None:
    jobs = [make_job(owner="a", at=START + timedelta(seconds=second)) for second in (0, 0, 1, 2)]
    for job in jobs:
        await store.add(job)
    await store.add(make_job(owner="b"))
    seen: list[Job] = []
    after = None
    while page := await store.page("a", limit=1, after=after):
        seen += page
        after = cursor_of(page[-1])
    assert seen == [jobs[3], jobs[2], jobs[1], jobs[0]]
    assert await store.page("a", limit=10) == seen
    assert await store.page("nobody", limit=10) == []
    assert await store.page(None, limit=10) == []


async def test_a_cursor_outlives_its_job(store: JobStore) -> None:
    jobs = [make_job(at=START + timedelta(seconds=second)) for second in range(3)]
    for job in jobs:
        await store.add(job)
    await store.remove(jobs[1].id)
    await store.remove(jobs[1].id)
    assert await store.get(jobs[1].id) is None
    assert await store.page(None, limit=10, after=cursor_of(jobs[1])) == [jobs[0]]


@pytest.mark.parametrize("cursor", ["", "x", "12", "12-", "-a", "9" * 30 + "-a", "١-a"])
async def test_what_is_no_cursor_is_refused(store: JobStore, cursor: str) -> None:
    with pytest.raises(SpecError, match="after: "):
        await store.page(None, limit=10, after=cursor)


async def test_update_is_applied_to_the_stored_job(store: JobStore) -> None:
    job = make_job()
    await store.add(job)
    changed = await store.update(job.id, lambda known: known.with_new_run(START))
    assert changed is not None
    assert changed.running
    assert await store.get(job.id) == changed
    assert await store.update("unknown", lambda known: known) is None

    def refuse(_: Job) -> Job:
        raise Busy("no")

    with pytest.raises(Busy):
        await store.update(job.id, refuse)
    assert await store.get(job.id) == changed


async def test_concurrent_updates_are_all_applied(store: JobStore) -> None:
    job = make_job()
    await store.add(job)
    await asyncio.gather(*(store.update(job.id, lambda known: known.with_new_run(START)) for _ in range(20)))
    changed = await store.get(job.id)
    assert changed is not None
    assert [run.number for run in changed.runs] == list(range(1, 21))


async def test_the_oldest_idle_job_makes_room(store: JobStore) -> None:
    running = make_job().with_new_run(START)
    await store.add(running)
    idle = [make_job(at=START + timedelta(seconds=second)) for second in range(1, 5)]
    for job in idle:
        await store.add(job)
    await store.add(make_job(at=START + HOUR))
    assert await store.get(idle[0].id) is None
    assert await store.get(running.id) == running
    assert await store.get(idle[1].id) == idle[1]


async def test_an_expired_job_makes_room_first(store: JobStore) -> None:
    jobs = [make_job(at=START + timedelta(seconds=second)) for second in range(4)]
    expired = make_job(at=START + HOUR, expires_at=now() - timedelta(seconds=1))
    for job in [*jobs, expired, make_job(at=START)]:
        await store.add(job)
    assert await store.get(expired.id) is None
    assert await store.get(jobs[0].id) == jobs[0]


async def test_running_jobs_are_never_forgotten(store: JobStore) -> None:
    running = [make_job().with_new_run(START) for _ in range(5)]
    for job in running:
        await store.add(job)
    with pytest.raises(Busy):
        await store.add(make_job())
    await store.update(running[2].id, lambda job: ended(job, JobStatus.FAILED))
    await store.add(make_job())
    assert await store.get(running[2].id) is None


async def test_what_waits_for_its_turn_in_the_background_is_never_forgotten(store: JobStore) -> None:
    """It was accepted: nobody would run it, and nobody would hear of that."""
    spec = parse_spec({"format": "csv", "dataset": "x", "delivery": "file"})
    waiting = [make_job(spec=spec) for _ in range(4)]
    stream = make_job()
    for job in (*waiting, stream):
        await store.add(job)
    await store.add(make_job(spec=spec))
    assert await store.get(stream.id) is None, "that one nobody has asked for yet"
    with pytest.raises(Busy, match="wait for their turn"):
        await store.add(make_job())
    await store.update(waiting[1].id, lambda job: ended(job.with_new_run(START), JobStatus.FAILED))
    await store.add(make_job())
    assert await store.get(waiting[1].id) is None
    await store.update(waiting[2].id, lambda job: job.cancelled(START))
    await store.add(make_job(spec=spec))
    await store.add(make_job(spec=spec))
    assert await store.get(waiting[2].id) is None
    assert await store.get(waiting[0].id) is not None


async def test_jobs_are_counted_by_state(store: JobStore) -> None:
    at = now()
    running = make_job(at=at).with_new_run(at)
    expired = make_job(at=at, expires_at=at - timedelta(seconds=1))
    for job in (make_job(at=at, expires_at=at + HOUR), make_job(at=at, expires_at=at + HOUR), running, expired):
        await store.add(job)
    assert await store.counts() == {"running": 1, "idle": 2, "expired": 1}
    await store.add(make_job(at=at, expires_at=at - EXPIRED_KEPT - timedelta(seconds=1)))
    assert await store.counts() == {"running": 1, "idle": 2, "expired": 1}, "what is forgotten does not count"


async def test_large_requests_are_bounded_together(store: JobStore) -> None:
    jobs = [make_job(at=START + timedelta(seconds=second), weight=MAX_WEIGHT // 3) for second in range(4)]
    for job in jobs:
        await store.add(job)
    assert await store.page(None, limit=10) == jobs[:0:-1]
    with pytest.raises(SpecError, match="bytes of memory"):
        await store.add(make_job(at=START + HOUR, weight=MAX_WEIGHT + 1))
    assert await store.page(None, limit=10) == jobs[:0:-1]
    largest = make_job(at=START + HOUR, weight=MAX_WEIGHT)
    await store.add(largest)
    assert await store.page(None, limit=10) == [largest]


async def test_nobody_makes_the_store_forget_what_others_have(store: JobStore) -> None:
    """Neither by many jobs nor by large ones: one's own go first."""
    other = [make_job(owner="other", at=START - HOUR), make_job(owner="other", at=START - HOUR)]
    for job in other:
        await store.add(job)
    for second in range(20):
        newest = make_job(owner="greedy", at=START + timedelta(seconds=second))
        await store.add(newest)
    assert {job.id for job in await store.page("other", limit=10)} == {job.id for job in other}
    assert len(await store.page("greedy", limit=10)) == 3
    for second in range(20, 30):
        newest = make_job(owner="greedy", at=START + timedelta(seconds=second), weight=MAX_WEIGHT * 3 // 4)
        await store.add(newest)
    assert await store.page("greedy", limit=10) == [newest]
    assert {job.id for job in await store.page("other", limit=10)} == {job.id for job in other}


async def test_whoever_comes_later_gets_a_share(store: JobStore) -> None:
    first = [make_job(owner="first", at=START + timedelta(seconds=second)) for second in range(5)]
    later = [make_job(owner="later", at=START + timedelta(seconds=second)) for second in range(4)]
    for job in (*first, *later):
        await store.add(job)
    left = await store.page("first", limit=10), await store.page("later", limit=10)
    assert [len(jobs) for jobs in left] in ([3, 2], [2, 3])
    assert left[0][0] == first[-1]
    assert left[1][0] == later[-1]


async def test_running_jobs_of_others_are_no_reason_to_forget_ones_own_share(store: JobStore) -> None:
    for _ in range(4):
        await store.add(make_job(owner="greedy").with_new_run(START))
    own = make_job(owner="other")
    await store.add(own)
    with pytest.raises(Busy):
        await store.add(make_job(owner="greedy"))
    assert await store.get(own.id) == own


async def test_a_look_tells_what_has_changed(store: JobStore) -> None:
    job = make_job(spec=parse_spec({"format": "csv", "filter": [{"column": "a", "op": "=", "value": "x" * 1000}]}))
    await store.add(job)
    seen, mark = await store.look(job, "")
    assert seen == job
    assert await store.look(job, mark) == (job, mark)
    running = await store.update(job.id, lambda job: job.with_new_run(START))
    seen, mark = await store.look(job, mark)
    assert seen == running
    assert seen is not None
    assert await store.look(seen, mark) == (running, mark)
    await store.remove(job.id)
    assert (await store.look(job, mark))[0] is None


async def test_an_expired_job_is_known_for_a_while_and_then_forgotten(store: JobStore) -> None:
    at = now()
    expired = make_job(expires_at=at - EXPIRED_KEPT + timedelta(seconds=60))
    old = make_job(expires_at=at - EXPIRED_KEPT - timedelta(seconds=1))
    running = make_job(expires_at=old.expires_at).with_new_run(at)
    for job in (expired, old, running):
        await store.add(job)
    found = await store.get(expired.id)
    assert found is not None
    assert found.status() is JobStatus.EXPIRED
    assert await store.get(old.id) is None
    assert await store.update(old.id, lambda job: job) is None
    assert await store.get(running.id) == running
    assert {job.id for job in await store.page(None, limit=10)} == {expired.id, running.id}


async def test_a_key_belongs_to_one_job_of_an_owner(store: JobStore) -> None:
    key = RequestKey("k", "f")
    first = make_job(owner="a", key=key)
    assert await store.add(first) == first
    again = make_job(owner="a", key=replace(key, fingerprint="other"))
    assert await store.add(again) == first
    assert await store.get(again.id) is None
    other = make_job(owner="b", key=key)
    assert await store.add(other) == other
    await store.update(first.id, lambda job: job.with_new_run(START))
    await store.update(first.id, lambda job: ended(job, JobStatus.COMPLETED))
    assert (await store.add(make_job(owner="a", key=key))).id == first.id
    await store.remove(first.id)
    free = make_job(owner="a", key=key)
    assert await store.add(free) == free


async def test_a_key_goes_with_its_job(store: JobStore) -> None:
    key = RequestKey("k", "f")
    await store.add(make_job(key=key, expires_at=now() - EXPIRED_KEPT - timedelta(seconds=1)))
    second = make_job(key=key)
    assert await store.add(second) == second
    for second_later in range(1, 6):
        await store.add(make_job(at=START + timedelta(seconds=second_later)))
    third = make_job(at=START + HOUR, key=key)
    assert await store.add(third) == third


async def test_of_simultaneous_requests_with_a_key_one_makes_the_job(store: JobStore) -> None:
    jobs = [make_job(key=RequestKey("k", "f")) for _ in range(20)]
    kept = await asyncio.gather(*(store.add(job) for job in jobs))
    assert len({job.id for job in kept}) == 1
    assert len(await store.page(None, limit=10)) == 1


async def test_the_store_can_be_checked(store: JobStore) -> None:
    await store.check()


async def test_what_comes_back_is_what_was_added(store: JobStore) -> None:
    job = make_job(owner="a", key=RequestKey("k", "f"), weight=7, taken_by="replica").with_new_run(START, "replica")
    assert await store.add(job) == job
    assert await store.get(job.id) == job
    assert await store.get("unknown") is None


def test_every_scheme_has_one_store_and_every_store_a_name() -> None:
    schemes = [scheme for kind in STORES for scheme in kind.schemes]
    assert len(schemes) == len(set(schemes))
    assert len({kind.name for kind in STORES}) == len(STORES)
    for kind in STORES:
        assert kind.schemes, kind.name


@pytest.mark.parametrize("url", ["http://localhost", "localhost:6379", "redis", "carrier-pigeon://coop"])
def test_a_url_that_no_store_has_is_refused_with_those_that_there_are(url: str) -> None:
    with pytest.raises(SpecError, match="POLYGLOT_REDIS_URL") as caught:
        open_store(url, prefix="p:", max_jobs=5)
    for kind in STORES:
        for scheme in kind.schemes:
            assert f"{scheme}://" in str(caught.value)


async def test_without_a_url_jobs_are_kept_in_this_process() -> None:
    store = open_store(None, prefix="p:", max_jobs=5)
    job = make_job()
    await store.add(job)
    assert await store.get(job.id) == job
    assert await open_store(None, prefix="p:", max_jobs=5).get(job.id) is None
