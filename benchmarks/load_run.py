"""One load: clients, killers, and a look at what is left."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import time

import psycopg

from benchmarks.clients import Ending, Manner, Outcome, Refused, create, download, fetch
from benchmarks.confined import ConfinedService
from benchmarks.hostile.beside import Attackers
from benchmarks.hostile.honest import percentile
from benchmarks.load_figures import Figures, Load
from benchmarks.oracle import Digest, Oracle, Spec, WrongFile

__all__ = ["drive"]

MB = 1 << 20
CASES = (
    ("csv", None), ("csv", "gzip"), ("csv", "zstd"), ("json", None), ("json", "gzip"), ("json", "zstd"),
    ("ndjson", None), ("ndjson", "gzip"), ("ndjson", "zstd"), ("xml", None), ("xml", "gzip"), ("xml", "zstd"),
    ("parquet", None),
)  # fmt: skip
SHARES = ((1, 20), (100, 30), (1_000, 25), (10_000, 15), (100_000, 7), (None, 3))
"""Rows of an export (``None`` for all), and how many of a hundred clients want so many."""
SLOW_SHARES = ((1, 5), (100, 10), (1_000, 25), (10_000, 60))
"""The same for slow clients: more rows would not end within the run, fewer would not be slow."""
SLOW_RATES = (20_000, 200_000)
"""Bytes a second of a slow client, from and to."""
VANISH_BYTES = 300_000
"""A client that vanishes does so within its first bytes, else small files would be complete before."""
KILL_SECONDS = 2.0
"""Average time between two kills of a backend."""
SAMPLE_SECONDS = 0.25
LAST_SECONDS = 90.0
"""Time for the clients that are there at the end of the run; then they leave."""
IDLE_SECONDS = 20.0
"""Time in which everything that the last export held must be gone."""
WARM_UP = 8
"""Exports before the run, so that pools and caches are as full as they get."""
REST_BYTES = 48 * MB
"""What the service may hold more at rest after the run than before it: the jobs of the run, the objects of 200
connections, and pieces of heap in use between free ones. It comes with the first hundred clients and does not grow with
their number."""
GROWTH_BYTES = 16 * MB
"""What the median of the last third of the run may be above that of the second third: something that grows with each
export shows there."""
LOG_CHARACTERS = 4_000
SPARE_DESCRIPTORS = 4
SPARE_THREADS = 4
"""Threads of pools (the catalogue's, uvloop's) that the run may have started and that stay."""
COUNT = "SELECT count(*) FROM pg_stat_activity WHERE application_name ~ '^polyglot [0-9a-f]{8}-'"
"""Backends of exports: their names have the export's id."""
KILL = (
    "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE application_name ~ '^polyglot "
    "[0-9a-f]{8}-'"
    " ORDER BY random() LIMIT 1) AS one"
)


def drive(
    service: ConfinedService, dsn: str, load: Load, keys: tuple[str, ...], attacker: str, *, stall_seconds: float
) -> Figures:
    """Drive a load against a running service.

    Args:
        service: To be loaded.
        dsn: Its database, with the table ``records``.
        load: How much.
        keys: Of the clients, each of which has one of them.
        attacker: The attackers' key.
        stall_seconds: How long a client that stalls reads nothing: longer than the service bears it.
    """
    specs = _specs(load)
    oracle = Oracle(dsn)
    expected = {spec: oracle.digest(spec) for spec in specs}
    driver = _Driver(service, dsn, load, keys, expected, stall_seconds)
    attackers = Attackers(service.port, attacker, dsn, random.Random(load.seed))
    asyncio.run(driver.warm_up())
    time.sleep(2)
    figures = driver.figures
    before = {"threads": service.threads(), "descriptors": service.descriptors()}
    figures.resident["start"] = service.resident()
    service.reset_peaks()
    asyncio.run(driver.run(attackers))
    figures.resident_peak = service.resident_peak()
    usage = service.group.usage()
    figures.group_peak, figures.killed = usage.peak, usage.killed
    asyncio.run(driver.look_for_leaks(before))
    figures.resident["at rest"] = service.resident()
    _judge(figures)
    if figures.problems:
        figures.log = service.log.read_text(errors="replace")[-LOG_CHARACTERS:]
    return figures


def _specs(load: Load) -> list[Spec]:
    sizes = [below for below, _ in SHARES if below is None or below < load.rows]
    return [Spec(name, compression, below=below) for name, compression in CASES for below in sizes]


def _judge(figures: Figures) -> None:
    if figures.killed:
        figures.problems[f"the kernel killed {figures.killed} processes for their memory"] += 1
    grown = figures.resident["at rest"] - figures.resident["start"]
    if grown > REST_BYTES:
        figures.problems[f"the service holds {grown / MB:.0f} MB more at rest than before"] += 1
    grown = figures.resident["end"] - figures.resident["middle"]
    if grown > GROWTH_BYTES:
        figures.problems[f"the service grew by {grown / MB:.0f} MB in the last third of the run"] += 1
    if figures.outcomes[Ending.SILENT.value]:
        figures.problems[f"{figures.outcomes[Ending.SILENT.value]} downloads neither went on nor ended"] += 1
    if not figures.outcomes[Ending.COMPLETE.value]:
        figures.problems["no file was complete"] += 1


class _Driver:
    """The clients of one run."""

    def __init__(
        self,
        service: ConfinedService,
        dsn: str,
        load: Load,
        keys: tuple[str, ...],
        expected: dict[Spec, str],
        stall_seconds: float,
    ) -> None:
        self.figures = Figures()
        self._service = service
        self._dsn = dsn
        self._load = load
        self._keys = keys
        self._expected = expected
        self._stall_seconds = stall_seconds
        self._random = random.Random(load.seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self._first: list[float] = []
        self._total: list[float] = []
        self._resident: list[int] = []

    async def warm_up(self) -> None:
        """A few exports at once, as the run has them."""
        await asyncio.gather(
            *(self._client(spec, Manner()) for spec in self._random.sample(sorted(self._expected, key=str), WARM_UP))
        )
        self.figures.outcomes.clear()
        self.figures.bytes = 0
        self._first.clear()
        self._total.clear()

    async def run(self, attackers: Attackers) -> None:
        """Let clients and attackers arrive, kill backends, and wait for the last ones."""
        helpers = [asyncio.create_task(work) for work in (self._kill(), self._sample(), attackers.probe())]
        hostile = asyncio.create_task(attackers.attack(self._load.seconds if self._load.hostile else 0.0))
        try:
            await self._arrive()
            await hostile
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=LAST_SECONDS)
        finally:
            for helper in (*helpers, hostile):
                helper.cancel()
            # They close what they have open before the loop ends.
            await asyncio.wait((*helpers, hostile))
        for task in list(self._tasks):
            task.cancel()
            self.figures.outcomes["left at the end"] += 1
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for helper in helpers:
            if helper.done() and not helper.cancelled():
                helper.result()
        figures = self.figures
        figures.attacks = attackers.done
        figures.live_seconds = (percentile(attackers.probes, 0.5), percentile(attackers.probes, 0.99))
        figures.first_seconds, figures.total_seconds = _percentiles(self._first), _percentiles(self._total)
        third = max(1, len(self._resident) // 3)
        parts = {
            "first third": self._resident[:third],
            "middle": self._resident[third:-third],
            "end": self._resident[-third:],
        }
        for name, part in parts.items():
            figures.resident[name] = int(statistics.median(part)) if part else 0

    async def look_for_leaks(self, before: dict[str, int]) -> None:
        """Wait until nothing is left, or say what is."""
        service, figures = self._service, self.figures
        deadline = time.monotonic() + IDLE_SECONDS
        while True:
            figures.left = {
                "database connections": await self._backends(),
                "threads": max(0, service.threads() - before["threads"] - SPARE_THREADS),
                "descriptors": max(0, service.descriptors() - before["descriptors"] - SPARE_DESCRIPTORS),
                "temporary files": len(service.temporary_files()),
                "running jobs": await self._running_jobs(),
            }
            if not any(figures.left.values()) or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.5)
        figures.problems.update(f"{count} {what} left" for what, count in figures.left.items() if count)
        # Freed memory goes back a moment later.
        await asyncio.sleep(2)

    async def _arrive(self) -> None:
        """A Poisson process: the times between arrivals are exponential."""
        end = time.monotonic() + self._load.seconds
        while True:
            await asyncio.sleep(self._random.expovariate(self._load.arrivals))
            if time.monotonic() >= end:
                return
            if len(self._tasks) >= self._load.clients:
                self.figures.not_started += 1
                continue
            self.figures.arrived += 1
            task = asyncio.create_task(self._client(*self._choose()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self.figures.most_clients = max(self.figures.most_clients, len(self._tasks))

    def _choose(self) -> tuple[Spec, Manner]:
        random = self._random
        slow, vanishes = random.random() < 1 / 3, random.random() < 1 / 10
        shares = SLOW_SHARES if slow else SHARES
        below = random.choices([rows for rows, _ in shares], [share for _, share in shares])[0]
        if below is not None and below >= self._load.rows:
            below = None
        manner = Manner(
            rate=random.uniform(*SLOW_RATES) if slow else None,
            leave_after=random.randrange(1, VANISH_BYTES) if vanishes and random.random() < 0.5 else None,
        )
        if vanishes and manner.leave_after is None:
            manner = Manner(
                rate=manner.rate, stall_after=random.randrange(1, VANISH_BYTES), stall_seconds=self._stall_seconds
            )
        name, compression = random.choice(CASES)
        return Spec(name, compression, below=below), manner

    async def _client(self, spec: Spec, manner: Manner) -> None:
        figures = self.figures
        key = random.choice(self._keys)
        try:
            export_id = await create(self._service.port, spec.body(), key)
        except Refused as refused:
            self._refused(refused.outcome)
            return
        digest = Digest(spec)
        outcome = await download(self._service.port, export_id, digest.take, manner, key)
        figures.outcomes[outcome.ending.value] += 1
        figures.bytes += outcome.size
        if outcome.first:
            self._first.append(outcome.first)
        match outcome.ending:
            case Ending.COMPLETE:
                self._compare(spec, digest)
                if manner == Manner():
                    self._total.append(outcome.seconds)
            case Ending.BROKEN:
                await self._broken(export_id, key)
            case Ending.REFUSED:
                figures.outcomes[outcome.ending.value] -= 1
                self._refused(outcome)

    def _compare(self, spec: Spec, digest: Digest) -> None:
        try:
            found = digest.finish()
        except WrongFile as error:
            self.figures.problems[f"{spec}: {error}"] += 1
            return
        if found != self._expected[spec]:
            self.figures.problems[f"{spec}: a file that looked complete differs from the server"] += 1

    def _refused(self, outcome: Outcome) -> None:
        """A refusal comes before the first byte; all but those that say when to come back are failures of the
        service.
        """
        try:
            code = str(json.loads(outcome.detail)["code"])
        except (ValueError, KeyError, TypeError):
            code = "no problem document"
        self.figures.outcomes[Ending.REFUSED.value] += 1
        self.figures.refusals[f"{outcome.status} {code}"] += 1
        if outcome.status != 503 or outcome.retry_after is None:
            self.figures.problems[f"refused with {outcome.status} {code}"] += 1

    async def _broken(self, export_id: str, key: str) -> None:
        try:
            job = await fetch(self._service.port, f"/exports/{export_id}", key)
        except Refused as refused:
            self.figures.problems[f"the job of a broken download was answered {refused}"] += 1
            return
        error = job["runs"][-1].get("error") or {}
        code = str(error.get("code", "none"))
        self.figures.failures[code] += 1
        if job["status"] not in ("failed", "cancelled"):
            self.figures.problems[f"a download was broken, and its job says {job['status']}"] += 1

    async def _kill(self) -> None:
        """Kill one backend of an export now and then, leaders and workers alike."""
        async with await psycopg.AsyncConnection.connect(
            self._dsn, autocommit=True, application_name="polyglot load"
        ) as connection:
            while True:
                await asyncio.sleep(self._random.expovariate(1 / KILL_SECONDS))
                cursor = await connection.execute(KILL)
                self.figures.kills += len(await cursor.fetchall())

    async def _sample(self) -> None:
        while True:
            self._resident.append(self._service.resident())
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _backends(self) -> int:
        async with await psycopg.AsyncConnection.connect(
            self._dsn, autocommit=True, application_name="polyglot load"
        ) as connection:
            cursor = await connection.execute(COUNT)
            row = await cursor.fetchone()
            return int(row[0]) if row is not None else 0

    async def _running_jobs(self) -> int:
        running = 0
        for key in self._keys:
            after: str | None = ""
            while after is not None:
                page = await fetch(self._service.port, f"/exports?limit=500{after}", key)
                running += sum(1 for job in page["exports"] if job["status"] == "running")
                after = f"&after={page['next']}" if page.get("next") is not None else None
        return running


def _percentiles(values: list[float]) -> tuple[float, float]:
    """The median and the 95th percentile."""
    if len(values) < 2:
        return (values[0], values[0]) if values else (0.0, 0.0)
    return statistics.median(values), statistics.quantiles(values, n=20)[-1]
