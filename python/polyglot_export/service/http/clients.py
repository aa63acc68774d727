"""Work that is done for a client, and that ends when the client goes away or something else speaks against it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Never, TypeVar

from starlette.types import Receive

from polyglot_export.service.errors import ClientGone

__all__ = ["Watcher", "unless", "while_connected"]

T = TypeVar("T")
Watcher = Coroutine[Any, Any, Never]
"""Looks on while work is done, and raises the reason why it must stop."""


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T], *watchers: Watcher) -> T:
    """Do work for a client; stop it when the client goes away.

    Args:
        receive: Of the request. Nobody else may call it meanwhile: what the client still sends is thrown away.
        work: What is done for the client.
        watchers: Further reasons to stop.

    Raises:
        ClientGone: The client has closed its connection.
        BaseException: As :func:`unless`.
    """
    return await unless(work, _until_gone(receive), *watchers)


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


async def _until_gone(receive: Receive) -> Never:
    while (await receive())["type"] != "http.disconnect":
        pass
    raise ClientGone("the client closed the connection before the end")
