"""What is special about the store in Redis: its connections, what it keeps there, and answers that get lost."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from polyglot_export.errors import SpecError
from polyglot_export.jobs.job import MAX_RUNS, JobStatus, RequestKey
from polyglot_export.jobs.stores import redis as redis_store
from polyglot_export.jobs.stores.base import JobStore, SharedJobStore, StoreAway
from polyglot_export.jobs.stores.redis import RedisJobStore
from tests.fixtures.process import free_port
from tests.fixtures.redis import RedisServer
from tests.service.sample_jobs import START, ended, make_job

pytestmark = pytest.mark.anyio


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


async def test_who_reads_a_job_at_the_same_time_shares_its_spec(shared_redis: RedisServer, redis_prefix: str) -> None:
    """A hundred streams of one export hold its request once, which may have a megabyte."""
    store = RedisJobStore(shared_redis.url, redis_prefix, 5)
    job = await store.add(make_job())
    read = await asyncio.gather(*(store.get(job.id) for _ in range(20)))
    assert {each for each in read if each is not None} == {job}
    assert len({id(each.spec) for each in read if each is not None}) == 1
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


async def test_a_server_whose_clock_is_ahead_for_a_moment_forgets_nothing(
    shared_redis: RedisServer, redis_prefix: str
) -> None:
    """For such a server everything is due; here the time at which a job is due is moved in place of the clock."""
    store = RedisJobStore(shared_redis.url, redis_prefix, 10)
    job = make_job()
    await store.add(job)
    with shared_redis.client() as client:
        due = client.zscore(f"{redis_prefix}expiry", job.id)
        assert due is not None
        for _ in range(3):
            client.zadd(f"{redis_prefix}expiry", {job.id: 1})
            await store.page(None, limit=1)
            client.zadd(f"{redis_prefix}expiry", {job.id: due})
            await store.page(None, limit=1)
            assert await store.get(job.id) == job
        # Still due after the grace: it goes, with all that there is of it.
        client.zadd(f"{redis_prefix}expiry", {job.id: 1})
        client.hset(f"{redis_prefix}due", job.id, 1)
        await store.page(None, limit=1)
        assert await store.get(job.id) is None
        assert [key for key in client.scan_iter(f"{redis_prefix}*") if client.type(key) != "none"] == []
    await store.close()
