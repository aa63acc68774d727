"""Uses of links, with a file that is slow to open and a store that goes away: no byte sent is no use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from starlette.datastructures import Headers

from polyglot_export.access.exposure import EVERYTHING
from polyglot_export.access.keys import Keys
from polyglot_export.admission.budget import MemoryBudget
from polyglot_export.errors import InternalError, PolyglotError, SpecError
from polyglot_export.jobs.job import Job, now
from polyglot_export.jobs.links import MAX_KEPT, MAX_LINKS, Link, with_new_link, with_use
from polyglot_export.jobs.stores.base import StoreAway
from polyglot_export.jobs.stores.memory import MemoryJobStore
from polyglot_export.service.callers import Caller, Callers
from polyglot_export.service.errors import FileMissing, NotFound
from polyglot_export.service.http.connection import EXTENSION
from polyglot_export.service.http.problems import PROBLEMS, document
from polyglot_export.service.links import used
from polyglot_export.service.links.told import MAY_NOT, told_by_link
from polyglot_export.service.links.used import UsingResponse, count_use
from polyglot_export.service.revocations import Revocations
from polyglot_export.service.streams.file_response import FileResponse, FileTerms, OpenFile
from polyglot_export.service.streams.pace import LeastPace
from polyglot_export.service.streams.ranges import Entity, select
from tests.service.sample_jobs import make_job

pytestmark = pytest.mark.anyio
CONTENT = b"id\n1\n"
FULL = 1 << 30


def a_link(number: int, **members: Any) -> Link:
    return Link(f"{number:016x}", now(), now() + timedelta(hours=1), **members)


class AFile:
    """Its bytes are in memory."""

    async def read(self, size: int, at: int) -> bytes:
        return CONTENT[at : at + size]

    def close(self) -> None:
        pass


@dataclass
class FakeConnection:
    gone: bool = False
    aborted: bool = False

    def abort(self) -> None:
        self.aborted = True

    def unacknowledged(self) -> int:
        return 0


class AwayStore(MemoryJobStore):
    """Away for the next calls."""

    away = 0

    async def update(self, job_id: str, change: Callable[[Job], Job]) -> Job | None:
        if self.away:
            self.away -= 1
            raise StoreAway("away")
        return await super().update(job_id, change)


@dataclass
class Scene:
    """One use of a link that is for once, and its client."""

    opened: bool = True
    """Whether the file opens; otherwise its opener waits."""
    room: bool = True
    """Whether there is memory."""
    gate: Exception | None = None
    connection: FakeConnection = field(default_factory=FakeConnection)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    sent: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = AwayStore(10)
        self.job = replace(make_job(), links=(a_link(1, once=True),))
        self.waits = asyncio.Event()

    async def receive(self) -> dict[str, str]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def _open(self) -> OpenFile:
        if not self.opened:
            self.waits.set()
            await asyncio.sleep(1000)
        return AFile()

    async def _gate(self) -> None:
        if self.gate is not None:
            raise self.gate

    async def play(self) -> None:
        await self.store.add(self.job)
        use = await count_use(self.store, self.job, self.job.links[0].id)
        assert use is not None
        assert await self.uses() == 1
        budget = MemoryBudget(FULL)
        if not self.room:
            await budget.reserve(FULL, 1)
            self.waits.set()
        revocations = Revocations(Callers(Keys({}), EVERYTHING), end=False)
        terms = FileTerms(budget, 1000, LeastPace(60, 1), revocations)
        entity = Entity('"x"', now(), len(CONTENT))
        selection = select("GET", Headers({}), entity)
        caller = Caller(None, EVERYTHING)
        answer = FileResponse(self._open, terms, caller, selection, len(CONTENT), {"Content-Type": "text/csv"})
        scope = {"type": "http", "method": "GET", "extensions": {EXTENSION: self.connection}}
        await UsingResponse(answer, use, self._gate)(scope, self.receive, self.send)

    async def uses(self) -> int:
        job = await self.store.get(self.job.id)
        assert job is not None
        return job.links[0].uses


async def test_a_file_that_is_sent_is_a_use() -> None:
    scene = Scene()
    await scene.play()
    assert b"".join(message.get("body", b"") for message in scene.sent) == CONTENT
    assert await scene.uses() == 1


@pytest.mark.parametrize("scene", [{"opened": False}, {"room": False}], ids=["file", "memory"])
async def test_a_client_that_leaves_before_the_first_byte(scene: dict[str, Any]) -> None:
    one = Scene(**scene)
    playing = asyncio.create_task(one.play())
    await one.waits.wait()
    one.left.set()
    await asyncio.wait_for(playing, 60)
    assert (one.sent, await one.uses()) == ([], 0)


async def test_what_is_sent_to_nobody_is_no_use() -> None:
    scene = Scene(connection=FakeConnection(gone=True))
    await scene.play()
    assert await scene.uses() == 0


async def test_a_gate_that_is_closed_by_now() -> None:
    scene = Scene(gate=NotFound("revoked"))
    with pytest.raises(NotFound, match="revoked"):
        await scene.play()
    assert (scene.sent, await scene.uses()) == ([], 0)


async def test_a_store_that_is_away_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked some times; then the link stays used, which is better than twice."""
    monkeypatch.setattr(used, "PAUSES", (0, 0))
    for away, uses in ((2, 0), (3, 1)):
        scene = Scene(gate=FileMissing("gone"))

        async def closed(scene: Scene = scene, away: int = away) -> None:
            scene.store.away = away
            raise FileMissing("gone")

        scene._gate = closed  # type: ignore[method-assign]  # the store goes away once the use was counted
        with pytest.raises(FileMissing):
            await scene.play()
        assert (scene.store.away, await scene.uses()) == (0, uses)


def test_no_sentence_for_the_owner_is_told() -> None:
    """Whatever fails, now or in a later version: a sentence is told only where it is known to be about the link."""
    for row in PROBLEMS:
        kind = row.exception if issubclass(row.exception, PolyglotError) else InternalError
        error = kind("dataset", "no lake") if issubclass(kind, SpecError) else kind("there is no lake")
        with pytest.raises(PolyglotError) as caught, told_by_link():
            raise error
        status, _, body = document(caught.value)
        if status == 403:
            assert row.status in (400, 403)
            assert body["detail"] == MAY_NOT
        else:
            assert (status, body["code"]) == (row.status, row.code)
        told = {"cancelled", "client-gone", "expired", "not-found", "not-ready", "precondition-failed", "slow-client"}
        told |= {"range-not-satisfiable", "range-refused", "stopping", "too-many-requests", "upgrade-required"}
        assert ("lake" in str(body)) is (row.code in told), row


def test_the_list_has_an_end() -> None:
    """Those that were used up are kept, as their use may come to nothing, but not for ever."""
    links: tuple[Link, ...] = (a_link(0),)
    for number in range(1, 3 * MAX_KEPT):
        made = with_new_link(links, a_link(number, once=True))
        assert made is not None
        assert made[0] == links[0], "the one that can be used stays"
        links = with_use(made, made[-1].id, now()) or ()
    assert len(links) == MAX_KEPT
    assert links[-1].id == f"{3 * MAX_KEPT - 1:016x}"
    for number in range(MAX_LINKS - 1):
        links = with_new_link(links, a_link(1000 + number)) or ()
    assert with_new_link(links, a_link(2000)) is None
    assert len(links) == MAX_KEPT
