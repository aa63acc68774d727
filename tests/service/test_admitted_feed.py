"""A feed that waits for its turn: what it holds while it waits and runs, and that all of it is given back."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from polyglot_export.access.schema import ExposedTables
from polyglot_export.admission.budget import MemoryBudget
from polyglot_export.admission.sizes import planning_share
from polyglot_export.errors import Busy, Cancelled, InternalError, PolyglotError
from polyglot_export.request.parse import parse_spec
from polyglot_export.service.admission.feed import AdmittedFeed
from polyglot_export.service.admission.opening import Admission, ExportTerms
from tests.service.client import PATIENCE

pytestmark = pytest.mark.anyio


class Scene:
    """A budget for one export, and a feed whose turn comes when there is room."""

    def __init__(self, dsn: str, seconds: float | None = PATIENCE) -> None:
        self.budget = MemoryBudget(64 << 20)
        admission = Admission(self.budget, ExportTerms(dsn, workers=1, row_bytes=1 << 20))
        spec = parse_spec({"format": "csv", "dataset": "few"})
        self.feed = AdmittedFeed(lambda: admission.admit(spec, ExposedTables.public(), "the-job", seconds))

    def nothing_is_held(self) -> bool:
        return (self.budget.reserved, self.budget.running, self.budget.waiting) == (0, 0, 0)


@pytest.fixture
def few(dsn: str) -> str:
    """A database with a table of three rows; gives its DSN."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE few AS SELECT generate_series(1, 3) AS id")
    return dsn


async def test_what_it_holds_is_given_back_when_it_is_closed(few: str) -> None:
    scene = Scene(few)
    await scene.feed.start()
    assert scene.budget.running == 1
    body = b""
    while (chunk := await scene.feed.next_chunk()) is not None:
        body += chunk
    assert body == b"id\n1\n2\n3\n"
    assert scene.budget.reserved > planning_share(0).bytes, "the export has the sizes of its plan"
    await scene.feed.aclose()
    await scene.feed.aclose()
    assert scene.nothing_is_held()


async def test_nobody_waits_longer_than_it_may(few: str) -> None:
    scene = Scene(few, seconds=0.05)
    held = await scene.budget.reserve(scene.budget.capacity, 1)
    with pytest.raises(Busy, match=r"0\.05 seconds"):
        await scene.feed.start()
    await scene.feed.aclose()
    held.release()
    assert scene.nothing_is_held()


async def test_a_task_that_is_cancelled_while_it_waits_holds_nothing(few: str) -> None:
    scene = Scene(few)
    held = await scene.budget.reserve(scene.budget.capacity, 1)
    starting = asyncio.create_task(scene.feed.start())
    while not scene.budget.waiting:  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(0.01)
    starting.cancel()
    await asyncio.wait({starting})
    held.release()
    await scene.feed.aclose()
    assert scene.nothing_is_held()


async def test_an_export_that_cannot_be_opened_holds_nothing() -> None:
    scene = Scene("postgresql://127.0.0.1:1/none")
    with pytest.raises(PolyglotError):
        await scene.feed.start()
    await scene.feed.aclose()
    assert scene.nothing_is_held()


async def test_it_is_started_before_it_is_read_and_not_after_its_end(few: str) -> None:
    scene = Scene(few)
    with pytest.raises(InternalError):
        await scene.feed.next_chunk()
    scene.feed.cancel()
    with pytest.raises(Cancelled):
        await scene.feed.start()
    assert scene.nothing_is_held()
