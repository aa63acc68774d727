"""The attacks by the numbers of their rows."""

from __future__ import annotations

import asyncio

from benchmarks.hostile import bodies, connections, shares
from benchmarks.hostile.target import Attack, Facts, Target

__all__ = ["ATTACKS", "NOBODY"]


async def _nobody(target: Target) -> Facts:
    await asyncio.sleep(target.left())
    return {}


NOBODY = Attack(0, "nobody", "–", "nobody attacks", _nobody, seconds=15)
"""To compare with: what the honest clients see on this machine, when it is as busy as it is."""

ATTACKS = (NOBODY, *sorted((*connections.ATTACKS, *bodies.ATTACKS, *shares.ATTACKS), key=lambda attack: attack.row))
