"""The stores of the jobs: the same tests on the one in memory and on a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from polyglot_export.errors import Busy, SpecError
from polyglot_export.jobs.job import EXPIRED_KEPT, MAX_RUNS, Job, JobStatus, RequestKey, now
from polyglot_export.jobs.stores import redis as redis_store
from polyglot_export.jobs.stores.base import MAX_WEIGHT, JobStore, SharedJobStore, StoreAway, cursor_of
from polyglot_export.jobs.stores.memory import MemoryJobStore
from polyglot_export.jobs.stores.redis import RedisJobStore
from tests.fixtures.process import free_port
from tests.fixtures.redis import RedisServer
from tests.service.sample_jobs import HOUR, START, ended, make_job

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest, redis_prefix: str) -> AsyncIterator[JobStore]:
    """A store that keeps five jobs."""
    if request.param == "memory":
        yield MemoryJobStore(max_jobs=5)
        return
    server: RedisServer = request.getfixturevalue("shared_redis")
    redis = RedisJobStore(server.url, redis_prefix, max_jobs=5)
    try:
        yield redis
        assert_no_stray_keys(server, redis_prefix)
    finally:
        await redis.close()


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
    huge = make_job(at=START + HOUR, weight=2 * MAX_WEIGHT)
    await store.add(huge)
    assert await store.page(None, limit=10) == [huge]


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


async def test_a_list_reads_only_the_runs_that_matter(shared_redis: RedisServer, redis_prefix: str) -> None:
    store = RedisJobStore(shared_redis.url, redis_prefix, 5)
    job = make_job().with_new_run(START)
    for _ in range(3):
        job = ended(job.with_new_run(START), JobStatus.COMPLETED)
    await store.add(job)
    listed = await store.page(None, limit=1)
    assert [run.number for run in listed[0].runs] == [1, 4]
    assert len(job.runs) < MAX_RUNS
    await store.close()


async def test_a_change_whose_answer_was_lost_is_made_once(
    shared_redis: RedisServer, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RedisJobStore(shared_redis.url, redis_prefix, 5)
    real = store._run
    sent: list[str] = []

    async def twice(script: str, *arguments: Any) -> Any:
        if script in {"ADD", "SAVE"}:
            sent.append(script)
            await real(script, *arguments)
        return await real(script, *arguments)

    monkeypatch.setattr(store, "_run", twice)
    job = make_job(key=RequestKey("k", "f"))
    assert await store.add(job) == job
    changed = await store.update(job.id, lambda known: known.with_new_run(START))
    assert changed is not None
    assert [run.number for run in changed.runs] == [1]
    assert await store.get(job.id) == changed
    assert sent == ["ADD", "SAVE"]
    await store.close()


async def test_services_with_different_prefixes_do_not_meet(shared_redis: RedisServer, redis_prefix: str) -> None:
    one, other = (RedisJobStore(shared_redis.url, redis_prefix + name, 5) for name in ("a:", "b:"))
    job = make_job()
    await one.add(job)
    assert await other.get(job.id) is None
    assert await other.page(None, limit=5) == []
    await one.close()
    await other.close()


async def test_a_password_and_what_a_wrong_one_does() -> None:
    with RedisServer("--requirepass", "se/cret") as server:
        right = RedisJobStore(server.url.replace("//", "//:se%2Fcret@"), "p:", 5)
        await right.check()
        await right.close()
        wrong = RedisJobStore(server.url.replace("//", "//:wrong@"), "p:", 5)
        with pytest.raises(StoreAway):
            await wrong.check()
        await wrong.close()


async def test_tls(tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "crt")
    certificate.private_key_pem.write_to_path(tmp_path / "key")
    authority.cert_pem.write_to_path(tmp_path / "ca")
    stranger.cert_pem.write_to_path(tmp_path / "other")
    port = free_port()
    files = (
        "--tls-cert-file",
        str(tmp_path / "crt"),
        "--tls-key-file",
        str(tmp_path / "key"),
        "--tls-ca-cert-file",
        str(tmp_path / "ca"),
    )
    with RedisServer("--tls-port", str(port), "--tls-auth-clients", "no", *files):
        store = RedisJobStore(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={tmp_path}/ca", "p:", 5)
        await store.check()
        await store.close()
        store = RedisJobStore(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={tmp_path}/other", "p:", 5)
        with pytest.raises(StoreAway, match="certificate"):
            await store.check()
        await store.close()


async def test_a_caller_that_is_cancelled_leaves_at_once(shared_redis: RedisServer, redis_prefix: str) -> None:
    async def ask_for_ever(store: JobStore) -> None:
        while True:
            with suppress(StoreAway):
                await store.get("nothing")

    # redis-py alone swallows about one cancel in twenty, the more the younger its connections are.
    for step in range(150):
        store = RedisJobStore(shared_redis.url, redis_prefix, 5)
        task = asyncio.create_task(ask_for_ever(store))
        await asyncio.sleep(step * 0.0001)
        task.cancel()
        await asyncio.wait({task}, timeout=30)
        assert task.cancelled()
        await store.close()


@pytest.mark.parametrize("url", ["", "http://localhost", "redis://localhost:x/0", "localhost:6379"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(SpecError, match="POLYGLOT_REDIS_URL"):
        RedisJobStore(url, "p:", 5)


async def test_a_server_that_is_away_or_silent(redis_server: RedisServer) -> None:
    store: SharedJobStore = RedisJobStore(redis_server.url, "p:", 5)
    job = make_job()
    await store.add(job)
    redis_server.freeze()
    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(StoreAway):
        await store.get(job.id)
    assert loop.time() - started < redis_store.CALL_SECONDS + 20
    redis_server.thaw()
    assert await store.get(job.id) == job
    redis_server.stop()
    for call in (
        store.get(job.id),
        store.add(make_job()),
        store.page(None, limit=1),
        store.check(),
        store.remove(job.id),
    ):
        with pytest.raises(StoreAway):
            await call
    redis_server.start()
    assert await store.get(job.id) == job
    assert await store.update(job.id, lambda known: known.cancelled(START)) == job.cancelled(START)
    await store.close()
