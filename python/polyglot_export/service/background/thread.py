"""Work in threads of its own, which the event loop only waits for: an export, which has to end before anybody goes on,
or a question to somebody who may never answer.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

from polyglot_export.cancel import CancelToken
from polyglot_export.errors import free_frames

__all__ = ["in_thread", "settled", "unwaited"]

T = TypeVar("T")


async def in_thread(work: Callable[[CancelToken], T], name: str) -> T:
    """Wait for work that obeys a token. An export pulls, hashes and writes in such a thread: handing each chunk over to
    the loop would cost more than the file does.

    When the task is cancelled, so is the token, and the thread has ended before this returns. Work that was complete by
    then is complete.

    Args:
        work: Called once, in the thread.
        name: Of the thread.

    Raises:
        BaseException: What the work raises.
    """
    token = CancelToken()
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work(token))
        except BaseException as error:  # noqa: BLE001 - handed to the task that waits
            free_frames(error)
            done.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    outcome = asyncio.wrap_future(done)
    try:
        return await asyncio.shield(outcome)
    except asyncio.CancelledError:
        token.cancel()
        if await settled(outcome) is None:
            return outcome.result()
        raise


async def settled(work: asyncio.Future[T]) -> BaseException | None:
    """Wait for the end of what runs in a thread, and so cannot be cancelled. Its error is looked at, of which asyncio
    would complain otherwise.
    """
    await asyncio.wait({work})
    return work.exception()


def unwaited(work: Callable[[], T], name: str) -> asyncio.Future[T]:
    """Work in a thread that nobody has to wait for: a server or a store that says nothing must not keep a service from
    ending, as a thread of a pool would.

    Args:
        work: Called once, in the thread.
        name: Of the thread.

    Returns:
        What comes of it. Who leaves earlier shields it, so that its callbacks are called when the thread ends.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(done: Future[T]) -> None:
        if outcome.cancelled():
            return
        error = done.exception()
        if error is None:
            outcome.set_result(done.result())
        else:
            outcome.set_exception(error)

    def run() -> None:
        done: Future[T] = Future()
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - handed to the task that waits
            done.set_exception(error)
        # The loop of a service that has ended is closed.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, done)

    threading.Thread(target=run, name=name, daemon=True).start()
    return outcome
