"""Work that is done for a client, and that ends when the client goes away."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Never, TypeVar

from starlette.types import Receive

from polyglot_export.execution.watched import Watcher, unless
from polyglot_export.service.errors import ClientGone

__all__ = ["while_connected"]

T = TypeVar("T")


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


async def _until_gone(receive: Receive) -> Never:
    while (await receive())["type"] != "http.disconnect":
        pass
    raise ClientGone("the client closed the connection before the end")
