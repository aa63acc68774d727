"""Each attack against a service of its own in a memory cgroup, with honest clients beside it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from benchmarks.hostile.honest import SPECS, Honest, Seen, percentile
from benchmarks.hostile.stage import ROWS, Stage, fill, staged
from benchmarks.hostile.target import Attack, Facts
from benchmarks.oracle import Oracle, Spec

__all__ = ["Result", "attacked", "judge", "prove"]

PROBE_LIMIT = 1.0
"""Seconds within which 99 of 100 probes are answered."""
LOG_LIMIT = 4 << 20
"""Bytes that an attack may make the service write to its log: nobody's disk is filled by one client."""
LATE_SECONDS = 60.0
"""Time for an attack to end by itself after its own."""
SETTLE_SECONDS = 1.0


@dataclass
class Result:
    """A line of the table.

    Attributes:
        attack: What was done.
        seconds: How long it may take, and how long it took.
        facts: What the attacker saw.
        seen: What the honest clients saw.
        killed: Processes that ended.
        peak: Bytes of the largest group.
        logged: Bytes that were written to the log.
        problems: What is wrong; empty when all is right.
    """

    attack: Attack
    seconds: float
    facts: Facts = field(default_factory=dict)
    seen: Seen = field(default_factory=Seen)
    killed: int = 0
    peak: int = 0
    logged: int = 0
    problems: list[str] = field(default_factory=list)

    def median(self) -> float:
        """Seconds of half of the probes."""
        return percentile(self.seen.probes, 0.5)

    def late(self) -> float:
        """Seconds of 99 of 100 probes."""
        return percentile(self.seen.probes, 0.99)


def prove(
    dsn: str, attacks: Sequence[Attack], say: Callable[[str], None], *, pace: float = 1.0, rows: int = ROWS
) -> list[Result]:
    """Run attacks one after another, each against a fresh service.

    Args:
        dsn: An empty database.
        attacks: Which.
        say: Told what is going on.
        pace: By what their durations are multiplied.
        rows: Of the table.

    Raises:
        NoGroup: No group can be made.
        NoRedis: An attack wants Redis, and there is none.
    """
    fill(dsn, rows)
    oracle = Oracle(dsn)
    expected = {spec: oracle.digest(spec) for spec in SPECS}
    results = []
    for attack in attacks:
        say(f"{attack.row} {attack.name}: {attack.what}")
        result = Result(attack, attack.seconds * pace)
        try:
            with staged(dsn, attack) as stage:
                asyncio.run(_run(stage, result, expected))
        except RuntimeError as error:
            # The service did not stop: that is one more thing that a client must not be able to do.
            result.problems.append(str(error))
        _leave_nothing(dsn)
        results.append(result)
        say("  right" if not result.problems else f"  WRONG: {'; '.join(result.problems)}")
    return results


def judge(result: Result, *, written: str = "") -> list[str]:
    """What is wrong with a result.

    Args:
        result: All of it but the problems.
        written: What the log says since the attack began.
    """
    if result.killed:
        # Whatever the honest clients saw follows from it.
        return [f"{result.killed} process{'es' if result.killed > 1 else ''} ended"]
    problems = []
    if not result.seen.probes or result.late() > PROBE_LIMIT:
        problems.append(f"/health/live took {result.late():.1f} s at the 99th percentile")
    if not result.seen.right:
        problems.append("no honest export was right")
    problems += [f"honest exports: {text} ({count})" for text, count in result.seen.problems.items()]
    problems += [
        f"{name}: {result.facts[name]:,}, more than {most:,}"
        for name, most in result.attack.limits
        if result.facts.get(name, 0) > most
    ]
    if result.logged > LOG_LIMIT:
        problems.append(f"{result.logged >> 10:,} kB of log")
    if result.attack.logged and "connection" not in written:
        problems.append("the log says nothing about connections")
    return problems


async def _run(stage: Stage, result: Result, expected: Mapping[Spec, str]) -> None:
    honest = Honest(stage.service.port, stage.keys, expected)
    result.seen = honest.seen
    await honest.before()
    for service in stage.services:
        service.reset_peaks()
    begun = stage.service.log.stat().st_size
    during = asyncio.create_task(honest.during())
    await asyncio.sleep(SETTLE_SECONDS)
    started = time.monotonic()
    result.facts = await attacked(stage.service.port, stage.attacker, stage.dsn, result.attack, result.seconds)
    result.seconds = time.monotonic() - started
    honest.end()
    await during
    await honest.after()
    written = stage.service.log.read_bytes()[begun:]
    usages = [service.group.usage() for service in stage.services]
    result.killed = sum(service.ended() for service in stage.services)
    result.peak = max(usage.peak for usage in usages)
    result.logged = len(written)
    result.problems = judge(result, written=written.decode(errors="replace"))


async def attacked(port: int, key: str, dsn: str, attack: Attack, seconds: float) -> Facts:
    """Run the attack in a process of its own; gives what it saw.

    Args:
        port: Of the service, on 127.0.0.1.
        key: The attacker's.
        dsn: The database.
        attack: Which.
        seconds: After which it ends.

    Raises:
        AssertionError: It failed by itself.
        TimeoutError: It did not end.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.hostile.program", attack.name),
        *("--port", str(port), "--seconds", str(seconds)),
        env={**os.environ, "HOSTILE_KEY": key, "HOSTILE_DSN": dsn},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        async with asyncio.timeout(seconds + LATE_SECONDS):
            out, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise AssertionError(f"the attack {attack.name} failed: {complaint.decode(errors='replace')[-2000:]}")
    facts: Facts = json.loads(out)
    return facts


def _leave_nothing(dsn: str) -> None:
    """End what a killed service or a slow query has left in the database."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'polyglot %'"
        )
