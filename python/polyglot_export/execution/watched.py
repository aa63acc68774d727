"""Work in an event loop that ends when something speaks against it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Never, TypeVar

__all__ = ["Watcher", "unless"]

T = TypeVar("T")
Watcher = Coroutine[Any, Any, Never]
"""Looks on while work is done, and raises the reason why it must stop."""


async def unless(work: Coroutine[Any, Any, T], *watchers: Watcher) -> T:
    """Do work until it is done or a watcher raises; then nothing of it runs any more.

    Work that is stopped is cancelled and waited for. If it completes nevertheless, its result counts; if it fails
    meanwhile, the watcher's reason explains why, and is what is raised.

    Returns:
        The result of the work.

    Raises:
        BaseException: What the work raised, or else what the first watcher raised.
    """
    working = asyncio.create_task(work)
    watching = [asyncio.create_task(watcher) for watcher in watchers]
    try:
        await asyncio.wait({working, *watching}, return_when=asyncio.FIRST_COMPLETED)
        stopped = not working.done()
    finally:
        # To cancel is only a wish: what the work holds is free when its task has ended.
        for task in (working, *watching):
            task.cancel()
        await asyncio.wait({working, *watching})
        reasons = [reason for reason in map(_failure, watching) if reason is not None]
        failure = _failure(working)
    if stopped and reasons and (working.cancelled() or failure is not None):
        raise reasons[0]
    return working.result()


def _failure(task: asyncio.Task[Any]) -> BaseException | None:
    """What a task that has ended has raised. Each is asked, or asyncio would complain that nobody did."""
    return None if task.cancelled() else task.exception()
