"""An export in a thread of its own, which the event loop only waits for.

The thread pulls, hashes and writes: handing each chunk over to the loop would cost more than the file does.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from polyglot_export.cancel import CancelToken
from polyglot_export.errors import free_frames

__all__ = ["in_thread"]

T = TypeVar("T")


async def in_thread(work: Callable[[CancelToken], T], name: str) -> T:
    """Wait for work that obeys a token.

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
        await asyncio.wait({outcome})
        if outcome.exception() is None:
            return outcome.result()
        raise
