"""Messages of several replicas: what one leaves another one sends, and nobody sends twice without need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from polyglot_export.errors import Cancelled
from polyglot_export.jobs.job import Job
from polyglot_export.jobs.messages import Message, MessageStatus
from polyglot_export.jobs.stores.memory import MemoryJobStore
from polyglot_export.jobs.stores.redis import RedisJobStore
from polyglot_export.request.parse import parse_spec
from polyglot_export.service.config.file import load_configuration
from polyglot_export.service.replicas import replica as replica_module
from polyglot_export.service.replicas.replica import Replica
from polyglot_export.service.replicas.runs import Runs
from polyglot_export.service.webhooks import messenger as messenger_module
from polyglot_export.service.webhooks.configured import Webhook
from polyglot_export.service.webhooks.messenger import Messenger
from tests.fixtures.process import serve
from tests.fixtures.redis import RedisServer
from tests.service.client import PATIENCE, call, create, job, wait_for
from tests.service.conftest import SLOW_CONFIG
from tests.service.sample_jobs import make_job
from tests.service.webhook_receiver import Receiver, answer

LEASE = 0.4
TOLD = parse_spec({"format": "csv", "webhook": "hook"})


class NoFiles:
    """Stands in for the preparations."""

    held: frozenset[str] = frozenset()

    def submit(self, job: Job) -> None:
        raise AssertionError(job)

    def cancel(self, job_id: str) -> None:
        pass

    def may_begin(self, job: Job) -> bool:  # noqa: ARG002 - the protocol's
        return False

    def has_room(self, job: Job) -> bool:  # noqa: ARG002 - the protocol's
        return False


@dataclass
class Member:
    """One replica of a service that delivers nothing but messages."""

    url: str
    name: str
    webhook: Webhook
    callers: int = 1
    store: RedisJobStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = RedisJobStore(self.url, "w:", 100, lease=LEASE)
        self.runs = Runs(self.store, replica=self.name)
        self.messenger = Messenger(self.store, lambda *_: self.webhook, lambda: self.callers, self.name)
        self.runs.outcomes.on_stored = self.messenger.told
        self.replica = Replica(self.store, self.runs, NoFiles(), self.messenger, self.name)
        self.replica.start()

    async def end(self) -> str:
        """Run a new job to its end; gives its id."""
        made = await self.store.add(make_job(spec=TOLD))
        active = await self.runs.begin(made.id)
        await self.runs.end(active, None)
        return made.id

    async def message(self, job_id: str) -> Message | None:
        found = await self.store.get(job_id)
        assert found is not None
        return found.messages[-1] if found.messages else None

    async def die(self) -> None:
        """As by SIGKILL: no word to the store."""
        await self.replica.close()
        for held in list(self.messenger._held.values()):
            assert held.task is not None
            held.task.cancel()

    async def close(self) -> None:
        await self.messenger.close()
        await self.replica.close()
        await self.store.close()


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not what():  # noqa: ASYNC110 - the receiver is in another thread
            await asyncio.sleep(0.02)


async def settled(member: Member, job_id: str, status: MessageStatus = MessageStatus.DELIVERED) -> Message:
    async with asyncio.timeout(PATIENCE):
        while (message := await member.message(job_id)) is None or message.status is not status:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return message


async def no_leases(member: Member) -> None:
    """Wait until no replica has a lease of anything."""
    async with asyncio.timeout(PATIENCE):
        while await member.store._redis.zcard("w:leases"):  # noqa: ASYNC110 - the beat of a replica
            await asyncio.sleep(0.02)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def webhook_of(receiver: Receiver, folder: Path, **table: Any) -> Webhook:
    config = folder / "polyglot.toml"
    config.write_text(receiver.table(**table))
    return load_configuration(config).webhooks["hook"]


@pytest.fixture
async def members(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, receiver: Receiver, tmp_path: Path
) -> AsyncIterator[tuple[Member, Member]]:
    for name, seconds in (
        ("BEAT_SECONDS", 0.05),
        ("GAP_SECONDS", 0.25),
        ("CONTACT_SECONDS", 0.5),
        ("SWEEP_SECONDS", 0.1),
    ):
        monkeypatch.setattr(replica_module, name, seconds)
    monkeypatch.setattr(messenger_module, "STORE_SECONDS", 0.05)
    webhook = webhook_of(receiver, tmp_path, delays="[0.6, 0.6, 0.6]")
    both = Member(redis_server.url, "a", webhook), Member(redis_server.url, "b", webhook)
    yield both
    for member in both:
        await member.close()


@pytest.mark.anyio
async def test_what_a_lost_replica_leaves_is_sent_by_another_one(
    members: tuple[Member, Member], receiver: Receiver
) -> None:
    one, other = members
    receiver.answers = [answer(500)]
    job_id = await one.end()
    await until(lambda: len(receiver.deliveries) == 1)
    async with asyncio.timeout(PATIENCE):
        while (sent := await one.message(job_id)) is None or not sent.attempts:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await one.die()
    message = await settled(other, job_id)
    assert (message.replica, message.attempts) == ("b", 2)
    assert len({delivery.id for delivery in receiver.deliveries}) == 1
    await no_leases(other)


@pytest.mark.anyio
async def test_nothing_is_left_of_a_job_that_is_gone(members: tuple[Member, Member], receiver: Receiver) -> None:
    one, other = members
    receiver.answers = [answer(500)]
    job_id = await one.end()
    await until(lambda: len(receiver.deliveries) == 1)
    await other.store.remove(job_id)
    await until(lambda: not one.messenger.held)
    assert one.messenger.settled["failed"] == 1
    # Its lease lapses, and whoever claims it finds nothing.
    await no_leases(other)


@pytest.mark.anyio
async def test_a_replica_that_lives_keeps_its_messages(members: tuple[Member, Member], receiver: Receiver) -> None:
    one, other = members
    receiver.answers = [answer(500), answer(500)]
    job_id = await one.end()
    # Two delays are several leases.
    message = await settled(one, job_id)
    assert (message.replica, message.attempts, len(receiver.deliveries)) == ("a", 3, 3)
    assert other.messenger.attempts["delivered"] == 0


@pytest.mark.anyio
async def test_a_replica_that_was_paused_does_not_go_on(members: tuple[Member, Member], receiver: Receiver) -> None:
    one, other = members
    receiver.answers = [answer(500, Retry_After="3")]
    job_id = await one.end()
    await until(lambda: len(receiver.deliveries) == 1)
    # Its leases are not renewed while its timers go on.
    await one.replica.close()
    async with asyncio.timeout(PATIENCE):
        while (message := await one.message(job_id)) is None or message.replica != "b":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    # The next look is before the message is due: it sees that the message is another one's, and forgets it.
    one.messenger._held[job_id].news.set()
    await until(lambda: not one.messenger.held)
    assert len(receiver.deliveries) == 1
    await settled(other, job_id)
    assert len(receiver.deliveries) == 2
    assert one.messenger.attempts["delivered"] == 0


@pytest.mark.anyio
async def test_redis_goes_away_and_comes_back(
    members: tuple[Member, Member], receiver: Receiver, redis_server: RedisServer
) -> None:
    one, _ = members
    held = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(handler: BaseHTTPRequestHandler) -> None:
        asyncio.run_coroutine_threadsafe(held.wait(), loop).result()
        answer(204)(handler)

    receiver.answers = [slow]
    job_id = await one.end()
    await until(lambda: len(receiver.deliveries) == 1)
    redis_server.stop()
    held.set()
    await until(lambda: one.messenger.settled["delivered"] == 1)
    assert one.messenger.held == {job_id}
    redis_server.start()
    await settled(one, job_id)
    await until(lambda: not one.messenger.held)
    assert len(receiver.deliveries) == 1


@pytest.mark.anyio
async def test_a_run_that_was_lost_is_told(members: tuple[Member, Member], receiver: Receiver) -> None:
    one, other = members
    made = await one.store.add(make_job(spec=TOLD))
    await one.runs.begin(made.id)
    await one.die()
    await settled(other, made.id)
    body = receiver.deliveries[0].json()
    assert (body["type"], body["data"]["error"]["code"]) == ("export.failed", "replica-lost")


@pytest.mark.anyio
async def test_a_queue_that_is_full_says_so(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messenger_module, "MAX_JOBS", 4)
    receiver.otherwise = answer(500)
    webhook = webhook_of(receiver, tmp_path, delays='["1h"]')
    store = MemoryJobStore(100)
    runs = Runs(store)
    messenger = Messenger(store, lambda *_: webhook, lambda: 2)
    runs.outcomes.on_stored = messenger.told

    async def end(owner: str) -> str:
        made = await store.add(make_job(spec=TOLD, owner=owner))
        await runs.end(await runs.begin(made.id), Cancelled("x"))
        return made.id

    greedy = [await end("greedy") for _ in range(3)]
    modest = await end("modest")
    await until(lambda: len(receiver.deliveries) == 3 and messenger.settled["failed"] == 1)
    found = {job_id: await store.get(job_id) for job_id in (*greedy, modest)}
    statuses = {job_id: found_job.messages[-1] for job_id, found_job in found.items() if found_job is not None}
    assert statuses[greedy[2]].status is MessageStatus.FAILED
    assert "too many" in str(statuses[greedy[2]].error)
    assert all(statuses[job_id].pending for job_id in (*greedy[:2], modest))
    assert messenger.held == {*greedy[:2], modest}
    await messenger.close()
    assert messenger.settled["failed"] == 4
    assert messenger.held == frozenset()


@pytest.mark.anyio
async def test_a_job_that_is_gone_is_said(receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    receiver.otherwise = answer(500)
    webhook = webhook_of(receiver, tmp_path, delays="[0.2]")
    store = MemoryJobStore(100)
    runs = Runs(store)
    messenger = Messenger(store, lambda *_: webhook, lambda: 1)
    runs.outcomes.on_stored = messenger.told
    made = await store.add(make_job(spec=TOLD))
    await runs.end(await runs.begin(made.id), None)
    await until(lambda: len(receiver.deliveries) == 1)
    await store.remove(made.id)
    await until(lambda: not messenger.held)
    assert messenger.settled["failed"] == 1
    assert "webhook message not delivered" in caplog.text


def test_a_killed_replica_leaves_its_messages_to_the_other_one(
    records: str, shared_redis: RedisServer, redis_prefix: str, tmp_path: Path, receiver: Receiver
) -> None:
    """The real service with its real times."""
    config = tmp_path / "polyglot.toml"
    config.write_text(SLOW_CONFIG + receiver.table(delays="[2, 2, 2, 2, 2, 2, 2, 2, 2, 2]"))
    receiver.answers = [answer(500)]
    with ExitStack() as stack:
        killed, other = (
            stack.enter_context(serve(records, config=config, redis_url=shared_redis.url, redis_prefix=redis_prefix))
            for _ in "ab"
        )
        export_id = create(killed, dataset="small", webhook="hook")
        assert call(killed, f"/exports/{export_id}/download").status == 200
        receiver.wait_for(1)
        killed.process.kill()
        killed.process.wait()
        wait_for(lambda: job(other, export_id)["webhook"]["status"] == "delivered")
        assert len({delivery.id for delivery in receiver.deliveries}) == 1
        assert "webhook messages of a lost replica taken" in other.log()


def test_a_stopped_replica_leaves_its_retries_to_the_other_one(
    records: str, shared_redis: RedisServer, redis_prefix: str, tmp_path: Path, receiver: Receiver
) -> None:
    config = tmp_path / "polyglot.toml"
    config.write_text(SLOW_CONFIG + receiver.table(delays="[1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"))
    receiver.answers = [answer(500)]
    with ExitStack() as stack:
        stopped, other = (
            stack.enter_context(serve(records, config=config, redis_url=shared_redis.url, redis_prefix=redis_prefix))
            for _ in "ab"
        )
        export_id = create(stopped, dataset="small", webhook="hook")
        assert call(stopped, f"/exports/{export_id}/download").status == 200
        receiver.wait_for(1)
        stopped.process.terminate()
        stopped.process.wait(timeout=15)
        assert "webhook messages left to other replicas" in stopped.log()
        wait_for(lambda: job(other, export_id)["webhook"]["status"] == "delivered")
        assert job(other, export_id)["webhook"]["attempts"] == 2
