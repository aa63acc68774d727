"""Servers that do not cut a body when their application raises, and how they are made to.

Most close the connection without the chunk that ends a body. These two are known by what their ``send`` is bound to;
where a later version is made differently, nothing happens here, and the table of the servers says what is seen then.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

__all__ = ["abort"]

_INTERNAL_ERROR = 2
"""The error code of HTTP/2 (RFC 9113, section 7)."""


async def abort(send: Callable[..., Any]) -> None:
    """Cut the answer that a ``send`` belongs to, where its server would not."""
    _abort_daphne(send)
    await _abort_hypercorn(send)


def _abort_daphne(send: Callable[..., Any]) -> None:
    """Daphne ends every body, or leaves it open for ever. Its ``send`` has the request of Twisted in it."""
    request = send.args[0] if isinstance(send, functools.partial) and send.args else None
    cut = getattr(getattr(getattr(request, "channel", None), "transport", None), "abortConnection", None)
    if cut is not None:
        cut()


async def _abort_hypercorn(send: Callable[..., Any]) -> None:
    """Over HTTP/2 hypercorn forgets the stream: its client waits until the connection is closed, which is after five
    idle seconds, and for ever while it is not idle.
    """
    stream = getattr(send, "__self__", None)
    protocol = getattr(getattr(stream, "send", None), "__self__", None)
    reset = getattr(getattr(protocol, "connection", None), "reset_stream", None)
    flush = getattr(protocol, "_flush", None)
    if stream is None or reset is None or flush is None:
        return
    try:
        reset(stream.stream_id, error_code=_INTERNAL_ERROR)
        await flush()
    except Exception:  # noqa: BLE001, S110 - the stream or its connection has ended already
        pass
