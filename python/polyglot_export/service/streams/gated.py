"""An answer that waits before its first byte, for memory, a turn, or the database: what it was allowed for may have
been taken back meanwhile.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.responses import Response

__all__ = ["Gate", "GatedResponse"]

Gate = Callable[[], Awaitable[None]]
"""Asked when everything is there for the first byte; raises what is answered in its place."""


async def _open() -> None:
    """Nothing speaks against it."""


class GatedResponse(Response):
    """One that asks right before it sends its status."""

    gate: Gate = staticmethod(_open)
