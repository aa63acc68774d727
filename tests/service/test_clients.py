"""Work while the client is there: who ends it, what is raised, and that nothing of it goes on."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any, Never

import pytest

from polyglot_export.errors import Busy, Cancelled
from polyglot_export.execution.watched import unless
from polyglot_export.service.errors import ClientGone
from polyglot_export.service.http.clients import while_connected

pytestmark = pytest.mark.anyio


class Work:
    """Something that takes long, and notes how it ended."""

    def __init__(self, *, result: str = "done", stubborn: bool = False, fails_when_stopped: bool = False) -> None:
        self.let_go = asyncio.Event()
        self.begun = asyncio.Event()
        self.over = False
        self._result = result
        self._stubborn = stubborn
        self._fails_when_stopped = fails_when_stopped

    async def do(self) -> str:
        self.begun.set()
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            # As a thread that has to be waited for.
            await asyncio.sleep(0.01)
            if self._fails_when_stopped:
                raise Cancelled("as a consequence") from None
            if not self._stubborn:
                raise
        finally:
            self.over = True
        return self._result


class Client:
    """Sends a body, and leaves when it is told to."""

    def __init__(self) -> None:
        self.leaves = asyncio.Event()
        self._messages: list[dict[str, Any]] = [{"type": "http.request", "body": b"x", "more_body": False}]

    async def receive(self) -> dict[str, Any]:
        if self._messages:
            return self._messages.pop()
        await self.leaves.wait()
        return {"type": "http.disconnect"}


async def raises(error: BaseException, after: float = 0.0) -> Never:
    await asyncio.sleep(after)
    raise error


@pytest.fixture(autouse=True)
async def no_task_is_left() -> AsyncIterator[None]:
    """When the call is over, so is everything that it began."""
    yield
    left = [task.get_coro() for task in asyncio.all_tasks()]
    assert not [coroutine for coroutine in left if "TestRunner" not in repr(coroutine)]


async def test_the_result_of_the_work() -> None:
    work = Work()
    work.let_go.set()
    assert await while_connected(Client().receive, work.do()) == "done"


async def test_what_the_work_raises() -> None:
    with pytest.raises(Busy):
        await while_connected(Client().receive, raises(Busy("no")))


async def test_a_client_that_leaves_stops_it() -> None:
    work, client = Work(), Client()
    task = asyncio.create_task(while_connected(client.receive, work.do()))
    await work.begun.wait()
    assert not task.done()
    client.leaves.set()
    with pytest.raises(ClientGone):
        await task
    assert work.over, "it was waited for"


async def test_a_watcher_gives_the_reason() -> None:
    work = Work()
    with pytest.raises(Busy, match="slow"):
        await while_connected(Client().receive, work.do(), raises(Busy("slow")), raises(Busy("never"), 1000))
    assert work.over


async def test_the_reason_explains_what_it_led_to() -> None:
    with pytest.raises(Busy, match="stop"):
        await unless(Work(fails_when_stopped=True).do(), raises(Busy("stop")))


async def test_work_that_completes_nevertheless_is_complete() -> None:
    assert await unless(Work(stubborn=True).do(), raises(Busy("stop"))) == "done"


async def test_work_that_is_done_is_not_spoilt_by_a_watcher() -> None:
    work = Work()
    work.let_go.set()
    assert await unless(work.do(), raises(Busy("at the same time"))) == "done"


async def test_whoever_is_cancelled_leaves_nothing_behind() -> None:
    work = Work()
    task = asyncio.create_task(while_connected(Client().receive, work.do()))
    await work.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.over


async def test_no_exception_is_left_that_nobody_asked_for() -> None:
    """Asyncio would write "Task exception was never retrieved" into the log."""
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    with pytest.raises(Busy):
        await unless(Work(fails_when_stopped=True).do(), raises(Busy("one")), raises(Busy("another")))
    for _ in range(3):
        await asyncio.sleep(0)
    gc.collect()
    assert complaints == []
