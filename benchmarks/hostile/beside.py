"""Attackers beside a load: one attack after another, chosen at random."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter

from benchmarks.hostile.honest import probe
from benchmarks.hostile.registry import ATTACKS, NOBODY
from benchmarks.hostile.run import attacked

__all__ = ["Attackers"]

CHOSEN = tuple(
    attack
    for attack in ATTACKS
    # Those that need a service of their own, and the one whose work goes on for long after it.
    if attack is not NOBODY and not attack.redis and attack.descriptors is None and not attack.lasting
)
SECONDS = 10.0
PAUSE_SECONDS = 2.0


class Attackers:
    """Whoever attacks while others export, and a probe that asks whether the service lives."""

    def __init__(self, port: int, key: str, dsn: str, choice: random.Random) -> None:
        """Set up.

        Args:
            port: Of the service.
            key: The attackers'.
            dsn: The database.
            choice: Which attack comes next.
        """
        self.done: Counter[str] = Counter()
        self.probes: list[float] = []
        self._port = port
        self._key = key
        self._dsn = dsn
        self._choice = choice

    async def attack(self, seconds: float) -> None:
        """One attack after another for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            attack = self._choice.choice(CHOSEN)
            await attacked(self._port, self._key, self._dsn, attack, min(SECONDS, end - time.monotonic()))
            self.done[attack.name] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def probe(self) -> None:
        """Ask for ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._ask())
                await asyncio.sleep(1.0)

    async def _ask(self) -> None:
        self.probes.append(await probe(self._port))
