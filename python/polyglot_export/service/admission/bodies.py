"""The memory of request bodies: what a body may become is set aside before it is read, and every caller has a share.

A text of JSON becomes up to sixty times its bytes in memory (``[1,1,…]``), so its bytes alone say little.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from polyglot_export.errors import Busy
from polyglot_export.limits import BODY_BYTES, MAX_FILTER_VALUES
from polyglot_export.request.spec import ExportSpec
from polyglot_export.service.http.bodies import object_of, read_body

__all__ = ["BodyRoom", "held_bytes"]

SPEC_BYTES = 1_500
"""A job without lists."""
VALUE_BYTES = 120
"""A value of a list: a decimal with its place in a tuple."""
COPIES = 2
"""Of the bytes of a body: as they came, and as the texts in it."""


def held_bytes(size: int, spec: ExportSpec) -> int:
    """What a request is held as, once it is a job.

    Args:
        size: Bytes of its body.
        spec: What it asks for.
    """
    return SPEC_BYTES + COPIES * size + VALUE_BYTES * spec.listed_values()


class BodyRoom:
    """Lets bodies in, as far as there is memory for them (``limits.BODY_BYTES``).

    A caller has at most half of it, so that others find room beside one whose bodies never end. Who waits is let in in
    order, but for those who must wait for others of the same caller.
    """

    def __init__(self, largest: int, seconds: float) -> None:
        """Set up.

        Args:
            largest: Bytes that a body may have.
            seconds: To wait at most.
        """
        self._largest = largest
        self._seconds = seconds
        self.capacity = max(BODY_BYTES, 3 * _may_become(largest))
        """Bytes for all bodies."""
        self.held = 0
        """Bytes that are set aside."""
        self._by_caller: Counter[str | None] = Counter()
        self._waiting: list[_Waiter] = []
        self._parsing = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """Requests that wait for room."""
        return len(self._waiting)

    @asynccontextmanager
    async def reading(
        self, caller: str | None, headers: Mapping[str, str], body: AsyncIterator[bytes]
    ) -> AsyncIterator[tuple[dict[str, Any], int]]:
        """Read a body as one JSON object; its memory is held until the end of the block.

        Args:
            caller: Who sends it.
            headers: As :func:`read_body`.
            body: As :func:`read_body`.

        Raises:
            Busy: There was no room in time.
            ServiceError: As :func:`read_body` and :func:`object_of`.
        """
        size = await self._enter(caller, headers)
        try:
            data = await read_body(headers, body, self._largest)
            # One at a time: what lies between the bytes and the request is held once.
            async with self._parsing:
                members = await object_of(data)
            yield members, len(data)
        finally:
            self._leave(caller, size)

    async def _enter(self, caller: str | None, headers: Mapping[str, str]) -> int:
        declared = headers.get("content-length", "")
        known = declared.isascii() and declared.isdigit() and len(declared) < 20
        size = _may_become(min(int(declared), self._largest) if known else self._largest)
        waiter = _Waiter(caller, size)
        self._waiting.append(waiter)
        self._grant()
        try:
            async with asyncio.timeout(self._seconds):
                await waiter.ready.wait()
        except BaseException as error:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            else:
                self._leave(caller, size)
            if isinstance(error, TimeoutError):
                raise Busy(
                    f"no memory for another request body became free in {self._seconds:g} seconds; try again later"
                ) from None
            raise
        return size

    def _leave(self, caller: str | None, size: int) -> None:
        self.held -= size
        self._by_caller[caller] -= size
        if not self._by_caller[caller]:
            del self._by_caller[caller]
        self._grant()

    def _grant(self) -> None:
        for waiter in list(self._waiting):
            if self._by_caller[waiter.caller] + waiter.size > self.capacity // 2:
                continue
            if self.held + waiter.size > self.capacity:
                return
            self._waiting.remove(waiter)
            self.held += waiter.size
            self._by_caller[waiter.caller] += waiter.size
            waiter.ready.set()


@dataclass(eq=False, slots=True)
class _Waiter:
    caller: str | None
    size: int
    ready: asyncio.Event = field(default_factory=asyncio.Event)


def _may_become(size: int) -> int:
    """Bytes that a body of a size may be held as; every second byte may be a value."""
    return COPIES * size + VALUE_BYTES * min(size // 2, MAX_FILTER_VALUES)
