"""The download response with a scripted feed: what is sent, when it ends, and that everything is released."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from polyglot_export.errors import Cancelled, ConnectionLost, SpecError
from polyglot_export.execution.run import Progress
from polyglot_export.jobs.job import Job, JobStatus
from polyglot_export.jobs.stores.memory import MemoryJobStore
from polyglot_export.request.parse import parse_spec
from polyglot_export.service.errors import ServiceStopping
from polyglot_export.service.http.connection import DELIVERED_BYTES, EXTENSION
from polyglot_export.service.replicas.runs import Runs
from polyglot_export.service.streams.download import DownloadResponse
from polyglot_export.service.streams.pace import LeastPace
from tests.service.client import PATIENCE

pytestmark = pytest.mark.anyio

HANG = object()
"""In a script: wait for ever."""


class ScriptedFeed:
    """Gives what its script says: a chunk, None, an exception to raise, or HANG."""

    snapshot = "00000003-0000001B-1"

    def __init__(self, *script: object, opening: object = None) -> None:
        self._script = list(script)
        self._opening = opening
        self.cancelled = False
        self.closed = 0
        self.finished = 0

    async def start(self) -> ScriptedFeed:
        await self._act(self._opening)
        return self

    async def next_chunk(self) -> bytes | None:
        step = await self._act(self._script.pop(0))
        assert step is None or isinstance(step, bytes)
        return step

    def progress(self) -> Progress:
        return Progress(7, 7, 1, 2, None, {"value": 3}, finished=False)

    async def finish(self) -> None:
        self.finished += 1

    def cancel(self) -> None:
        self.cancelled = True

    async def aclose(self) -> None:
        self.closed += 1

    async def _act(self, step: object) -> object:
        if step is HANG:
            await asyncio.sleep(1000)
        if isinstance(step, BaseException):
            raise step
        return step


class FakeConnection:
    """Records what the response does to its connection."""

    def __init__(self) -> None:
        self.aborted = False
        self.held = False
        self.pending = 0

    def abort(self) -> None:
        self.aborted = True

    def hold_requests(self) -> None:
        self.held = True

    def unacknowledged(self) -> int:
        return self.pending


async def settled() -> None:
    """Let every task go as far as it can without time passing: a sleep may be over before the others have had their
    turns.
    """
    for _ in range(100):
        await asyncio.sleep(0)


@dataclass
class Scene:
    """One response with everything around it."""

    feed: ScriptedFeed
    slow_client_timeout: float = 60
    connection: FakeConnection = field(default_factory=FakeConnection)
    sent: list[dict[str, Any]] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    blocked: bool = False

    def __post_init__(self) -> None:
        self.store = MemoryJobStore(10)
        self.runs = Runs(self.store)
        at = datetime.now(UTC)
        self.job = Job(
            "the-job", None, parse_spec({"format": "csv"}), "export", at, at + timedelta(hours=1), timedelta(hours=1)
        )

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if self.blocked and message["type"] == "http.response.body":
            await asyncio.sleep(1000)
        self.sent.append(message)

    async def play(self) -> None:
        await self.store.add(self.job)
        pace = LeastPace(self.slow_client_timeout, 1)
        response = DownloadResponse(self.job, self.feed, self.runs, pace, {"Content-Type": "text/csv"})
        await response({"type": "http", "extensions": {EXTENSION: self.connection}}, self.receive, self.send)

    async def state(self) -> Job:
        job = await self.store.get("the-job")
        assert job is not None
        return job

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent if message["type"] == "http.response.body")

    @property
    def body_was_ended(self) -> bool:
        return any(message["type"] == "http.response.body" and not message["more_body"] for message in self.sent)

    async def assert_broken(self, status: JobStatus, code: str) -> None:
        """Nothing that was sent can be taken for a whole file, and nothing is held any more."""
        assert not self.body_was_ended
        assert self.connection.aborted
        await self.assert_released()
        job = await self.state()
        assert job.status() is status
        assert job.latest is not None
        assert job.latest.error is not None
        assert job.latest.error.code == code

    async def assert_released(self) -> None:
        assert self.feed.closed
        assert self.feed.cancelled or self.body_was_ended
        assert len(self.runs) == 0


async def test_a_whole_file() -> None:
    scene = Scene(ScriptedFeed(b"a", b"b", None))
    await scene.play()
    start = scene.sent[0]
    assert start["status"] == 200
    assert (b"x-export-snapshot", b"00000003-0000001B-1") in start["headers"]
    assert not [name for name, _ in start["headers"] if name == b"content-length"]
    assert scene.body == b"ab"
    assert scene.body_was_ended
    assert not scene.connection.aborted
    assert scene.connection.held
    await scene.assert_released()
    job = await scene.state()
    assert job.status() is JobStatus.COMPLETED
    assert job.latest is not None
    assert (job.latest.bytes, job.latest.rows, job.latest.progress, job.latest.losses) == (2, 7, 1.0, {"value": 3})


async def test_an_empty_file_has_an_end_too() -> None:
    scene = Scene(ScriptedFeed(None))
    await scene.play()
    assert (scene.body, scene.body_was_ended) == (b"", True)


async def test_the_job_is_complete_and_all_is_released_before_the_client_sees_the_end() -> None:
    scene = Scene(ScriptedFeed(b"a", None))
    seen: list[tuple[JobStatus, int]] = []
    original = scene.send

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body" and not message["more_body"]:
            seen.append(((await scene.state()).status(), scene.feed.closed))
        await original(message)

    scene.send = send  # type: ignore[method-assign]
    await scene.play()
    assert seen == [(JobStatus.COMPLETED, 1)]


@pytest.mark.parametrize(
    "error", [ConnectionLost("gone"), Cancelled("stopped"), RuntimeError("a defect"), StopAsyncIteration()]
)
async def test_a_failure_in_the_middle_is_never_an_end(error: Exception) -> None:
    scene = Scene(ScriptedFeed(b"a", error))
    await scene.play()
    codes: dict[type[Exception], str] = {ConnectionLost: "database-lost", Cancelled: "cancelled"}
    status = JobStatus.CANCELLED if isinstance(error, Cancelled) else JobStatus.FAILED
    await scene.assert_broken(status, codes.get(type(error), "internal-error"))


@pytest.mark.parametrize(
    "feed", [ScriptedFeed(SpecError("filter.0", "bad")), ScriptedFeed(opening=SpecError("filter.0", "bad"))]
)
async def test_a_failure_before_the_first_byte_has_its_own_answer(feed: ScriptedFeed) -> None:
    scene = Scene(feed)
    with pytest.raises(SpecError, match="filter"):
        await scene.play()
    assert scene.sent == []
    assert not scene.connection.aborted
    await scene.assert_released()
    assert (await scene.state()).status() is JobStatus.FAILED


@pytest.mark.parametrize("feed", [ScriptedFeed(b"a", HANG), ScriptedFeed(HANG), ScriptedFeed(opening=HANG)])
async def test_a_client_that_leaves_stops_it(feed: ScriptedFeed) -> None:
    scene = Scene(feed)
    playing = asyncio.create_task(scene.play())
    await settled()
    scene.gone.set()
    await asyncio.wait_for(playing, PATIENCE)
    assert not scene.body_was_ended
    await scene.assert_released()
    job = await scene.state()
    assert job.status() is JobStatus.CANCELLED
    assert job.cancelled_at is None, "it may be downloaded again"


async def test_a_client_that_leaves_while_it_takes_nothing() -> None:
    scene = Scene(ScriptedFeed(b"a", b"b", None), blocked=True)
    playing = asyncio.create_task(scene.play())
    await settled()
    scene.gone.set()
    await asyncio.wait_for(playing, PATIENCE)
    await scene.assert_broken(JobStatus.CANCELLED, "client-gone")


async def test_a_client_that_takes_nothing_is_cut_off() -> None:
    scene = Scene(ScriptedFeed(b"a", b"b", None), slow_client_timeout=0.2, blocked=True)
    scene.connection.pending = 1000
    await asyncio.wait_for(scene.play(), PATIENCE)
    await scene.assert_broken(JobStatus.FAILED, "slow-client")


async def test_a_client_that_leaves_the_last_bytes_is_cut_off_too() -> None:
    """The whole file has been handed to the connection, and the database is let go; but the client does not have it."""
    scene = Scene(ScriptedFeed(b"a", None), slow_client_timeout=0.2)
    scene.connection.pending = DELIVERED_BYTES + 1
    await asyncio.wait_for(scene.play(), PATIENCE)
    assert scene.feed.finished == 1
    await scene.assert_broken(JobStatus.FAILED, "slow-client")


async def test_the_last_segments_are_not_waited_for() -> None:
    """A client acknowledges them late."""
    scene = Scene(ScriptedFeed(b"a", None), slow_client_timeout=0.2)
    scene.connection.pending = DELIVERED_BYTES
    await asyncio.wait_for(scene.play(), PATIENCE)
    assert scene.body_was_ended
    assert (await scene.state()).status() is JobStatus.COMPLETED


async def test_a_client_that_takes_a_byte_now_and_then_is_not() -> None:
    scene = Scene(ScriptedFeed(b"a", b"b", None), slow_client_timeout=1.5, blocked=True)
    scene.connection.pending = 1000
    playing = asyncio.create_task(scene.play())
    for _ in range(25):
        await asyncio.sleep(0.1)
        scene.connection.pending -= 1
    assert not playing.done()
    scene.gone.set()
    await asyncio.wait_for(playing, PATIENCE)


async def test_waiting_for_the_database_does_not_count_as_slow() -> None:
    scene = Scene(ScriptedFeed(b"a", HANG), slow_client_timeout=0.1)
    scene.connection.pending = 1000
    playing = asyncio.create_task(scene.play())
    await asyncio.sleep(0.5)
    assert not playing.done()
    scene.gone.set()
    await asyncio.wait_for(playing, PATIENCE)


@pytest.mark.parametrize(
    "script", [(b"a", HANG), (b"a", b"b", None)], ids=["waits for the database", "waits for the client"]
)
async def test_the_end_of_the_grace_cuts_it(script: tuple[object, ...]) -> None:
    """The task of the response is cancelled by uvicorn."""
    scene = Scene(ScriptedFeed(*script), blocked=None in script)
    playing = asyncio.create_task(scene.play())
    await settled()
    playing.cancel()
    await asyncio.wait_for(asyncio.wait({playing}), PATIENCE)
    await scene.assert_broken(JobStatus.FAILED, "stopping")


async def test_drain_stops_what_runs_and_refuses_what_comes() -> None:
    scene = Scene(ScriptedFeed(b"a", HANG))
    playing = asyncio.create_task(scene.play())
    await settled()
    await scene.runs.drain()
    await asyncio.wait_for(playing, PATIENCE)
    await scene.assert_broken(JobStatus.FAILED, "stopping")
    with pytest.raises(ServiceStopping):
        await scene.runs.begin("the-job")


async def test_what_waits_is_refused_at_once_when_the_service_stops() -> None:
    scene = Scene(ScriptedFeed(opening=HANG))
    playing = asyncio.create_task(scene.play())
    await settled()
    scene.runs.refuse_new()
    with pytest.raises(ServiceStopping):
        await asyncio.wait_for(playing, PATIENCE)
    await scene.assert_released()


async def test_cancelled_by_its_owner() -> None:
    scene = Scene(ScriptedFeed(b"a", HANG))
    playing = asyncio.create_task(scene.play())
    await settled()
    scene.runs.cancel("another-job")
    await settled()
    assert not playing.done()
    scene.runs.cancel("the-job")
    await asyncio.wait_for(playing, PATIENCE)
    await scene.assert_broken(JobStatus.CANCELLED, "cancelled")


async def test_progress_is_seen_while_it_runs() -> None:
    scene = Scene(ScriptedFeed(b"a", HANG))
    playing = asyncio.create_task(scene.play())
    await settled()
    run = scene.runs.live(await scene.state()).latest
    assert run is not None
    assert (run.status, run.rows, run.bytes, run.progress) == (JobStatus.RUNNING, 7, 1, 0.5)
    scene.gone.set()
    await playing
