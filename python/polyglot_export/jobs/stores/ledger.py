"""What callers with limits have used: requests, places for exports, bytes of a day.

It is kept where the jobs are, so replicas that share their jobs share it too. It decides nothing: who asks says what is
allowed.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Collection
from typing import Protocol

__all__ = ["MINUTE", "Ledger", "MemoryLedger"]

MINUTE = 60.0
"""Seconds in which a caller's requests are counted."""
MAX_KNOWN = 10_000
"""Callers of whom requests or bytes are remembered in the memory of a process: an issuer of tokens may have any number
of them. Beyond it whoever has not asked for the longest time begins anew."""


class Ledger(Protocol):
    """One place for each kind of use. Owners are names of callers. Every method may raise ``StoreAway``."""

    async def request(self, owner: str, per_minute: int) -> float:
        """Note a request, if it is allowed.

        The generic cell rate algorithm (ITU-T I.371), which is a token bucket in one number: as many requests as a
        minute allows may come at once, and one more whenever its part of the minute has passed.

        Returns:
            Seconds to wait before the next one is allowed; 0 where this one is.
        """

    async def enter(self, owner: str, ticket: str, most: int, seconds: float) -> bool:
        """Take one of ``most`` places, until it is left, or was not renewed for so many seconds.

        Returns:
            Whether there was one.
        """

    async def renew(self, owner: str, tickets: Collection[str], seconds: float) -> None:
        """Keep places for so many seconds from now on."""

    async def leave(self, owner: str, ticket: str) -> None:
        """Give a place back."""

    async def places(self, owner: str) -> int:
        """How many places are taken."""

    async def spend(self, owner: str, day: str, size: int) -> int:
        """Add bytes to those of a day.

        Args:
            owner: Whose.
            day: Of the calendar, such as ``2026-01-31``; only the latest that was named is remembered for sure.
            size: 0 only asks.

        Returns:
            What they are now.
        """


class MemoryLedger:
    """In the memory of this process, and gone with it. Its calls never wait, so each is atomic.

    Memory: A few hundred bytes for each of :data:`MAX_KNOWN` callers, and for each export that runs.
    """

    def __init__(self) -> None:
        self._free_at: OrderedDict[str, float] = OrderedDict()
        """By caller, the time (``time.monotonic()``) at which none of its requests counts any more."""
        self._spent: OrderedDict[str, tuple[str, int]] = OrderedDict()
        """By caller, a day and the bytes in it."""
        self._tickets: dict[str, set[str]] = {}

    async def request(self, owner: str, per_minute: int) -> float:
        """See the protocol."""
        now = time.monotonic()
        free_at = max(self._free_at.get(owner, now), now) + MINUTE / per_minute
        if free_at - now > MINUTE * (1 + 1e-9):
            return free_at - now - MINUTE
        self._free_at[owner] = free_at
        _forget_the_quiet(self._free_at, owner)
        return 0.0

    async def enter(self, owner: str, ticket: str, most: int, seconds: float) -> bool:  # noqa: ARG002 - the protocol's
        """See the protocol; a process that ends takes its places with it."""
        taken = self._tickets.setdefault(owner, set())
        if len(taken) < most:
            taken.add(ticket)
        return ticket in taken

    async def renew(self, owner: str, tickets: Collection[str], seconds: float) -> None:
        """Not needed here."""

    async def leave(self, owner: str, ticket: str) -> None:
        """See the protocol."""
        taken = self._tickets.get(owner, set())
        taken.discard(ticket)
        if not taken:
            self._tickets.pop(owner, None)

    async def places(self, owner: str) -> int:
        """See the protocol."""
        return len(self._tickets.get(owner, ()))

    async def spend(self, owner: str, day: str, size: int) -> int:
        """See the protocol."""
        known_day, before = self._spent.get(owner, (day, 0))
        if day < known_day:
            # Of the last moment of a day that is over; nobody asks for it any more.
            return size
        spent = size + (before if known_day == day else 0)
        self._spent[owner] = (day, spent)
        _forget_the_quiet(self._spent, owner)
        return spent


def _forget_the_quiet(known: OrderedDict[str, float] | OrderedDict[str, tuple[str, int]], owner: str) -> None:
    known.move_to_end(owner)
    while len(known) > MAX_KNOWN:
        known.popitem(last=False)
