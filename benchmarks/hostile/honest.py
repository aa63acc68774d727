"""The honest side of an attack: two clients that export as ever, and a probe that asks whether the service lives."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.clients import Ending, Manner, Outcome, Refused, create, download, fetch
from benchmarks.hostile.target import request, status_of
from benchmarks.oracle import Digest, Spec, WrongFile

__all__ = ["Honest", "Seen", "percentile", "probe"]

PROBE_SECONDS = 0.1
"""Between two probes. Each has a connection of its own, as those of a supervisor, and waits for no other."""
SILENT_SECONDS = 10.0
"""What a probe counts that was not answered with 200 until then."""
PAUSE_SECONDS = 0.2
PATIENCE_SECONDS = 30.0
"""In which an export has to be there, what it is told to wait included."""
STEADY_RATE = 800_000.0
"""Bytes a second of the second client, so that a download is under way at any time."""
FAST = (Spec("csv", None, below=2_000), Spec("json", None, below=5_000), Spec("ndjson", "gzip", below=10_000))
STEADY = (Spec("csv", None, below=20_000),)
KEPT = Spec("ndjson", None, below=1_000)
"""Of the export and the prepared file that are made before the attack, and asked for after it."""

SPECS = (*FAST, *STEADY, KEPT)
"""All that honest clients want."""


@dataclass
class Seen:
    """What the honest clients saw.

    Attributes:
        right: Exports that came whole, and as the server has them.
        slowest: Seconds of the slowest of them.
        refused: Times that a client was told to come back.
        probes: Seconds that each probe of ``/health/live`` took.
        problems: What was wrong, and how often.
    """

    right: int = 0
    slowest: float = 0.0
    refused: int = 0
    probes: list[float] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)


class Honest:
    """Two clients, each with a key of its own, and the probe."""

    def __init__(self, port: int, keys: tuple[str, str], expected: Mapping[Spec, str]) -> None:
        """Set up.

        Args:
            port: Of the service.
            keys: Theirs.
            expected: The right digests of :data:`SPECS`.
        """
        self.seen = Seen()
        self._port = port
        self._keys = keys
        self._expected = expected
        self._over = asyncio.Event()
        self._kept: list[tuple[str, str]] = []
        self._probes: set[asyncio.Task[None]] = set()

    async def before(self) -> None:
        """Each client makes an export and a prepared file that it fetches again after the attack."""
        for key, delivery in itertools.product(self._keys, ("stream", "file")):
            export_id = await create(self._port, {**KEPT.body(), "delivery": delivery}, key)
            self._kept.append((key, export_id))
            await self._one(export_id, KEPT, key, Manner(), waits=(409, 503))

    async def during(self) -> None:
        """Export and probe until :meth:`end`."""
        first, second = self._keys
        async with asyncio.TaskGroup() as group:
            group.create_task(self._probe())
            group.create_task(self._client(FAST, first, Manner()))
            group.create_task(self._client(STEADY, second, Manner(rate=STEADY_RATE)))

    def end(self) -> None:
        """Let what is under way end."""
        self._over.set()

    async def after(self) -> None:
        """Fetch what was made before."""
        for key, export_id in self._kept:
            await self._one(export_id, KEPT, key, Manner(), what="made before the attack: ")

    async def _client(self, specs: tuple[Spec, ...], key: str, manner: Manner) -> None:
        for spec in itertools.cycle(specs):
            if self._over.is_set():
                return
            await self._one(None, spec, key, manner)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _one(
        self,
        export_id: str | None,
        spec: Spec,
        key: str,
        manner: Manner,
        *,
        waits: tuple[int, ...] = (503,),
        what: str = "",
    ) -> None:
        """One export, as often as the service says that it shall be asked for again; compares the file."""
        started = time.perf_counter()
        problem = ""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                export_id = export_id or await self._created(spec, key)
                outcome, digest = await self._downloaded(export_id, spec, key, manner, waits)
                problem = self._problem(spec, outcome, digest)
                job = await self._job(export_id, key) if not problem else {}
                if job and job["status"] != "completed":
                    problem = f"the job of a whole file says {job['status']}"
        except TimeoutError:
            problem = f"not there after {PATIENCE_SECONDS:g} s"
        except Refused as refused:
            problem = f"refused with {refused.outcome.status or 'nothing'}"
        if problem:
            self.seen.problems[what + problem] += 1
            return
        self.seen.right += 1
        self.seen.slowest = max(self.seen.slowest, time.perf_counter() - started)

    async def _job(self, export_id: str, key: str) -> Any:
        while True:
            try:
                return await fetch(self._port, f"/exports/{export_id}", key)
            except Refused as refused:
                await self._told_to_wait(refused.outcome, (503,))

    async def _created(self, spec: Spec, key: str) -> str:
        while True:
            try:
                return await create(self._port, spec.body(), key)
            except Refused as refused:
                await self._told_to_wait(refused.outcome, (503,))

    async def _downloaded(
        self, export_id: str, spec: Spec, key: str, manner: Manner, waits: tuple[int, ...]
    ) -> tuple[Outcome, Digest]:
        while True:
            digest = Digest(spec)
            outcome = await download(self._port, export_id, digest.take, manner, key)
            if outcome.ending is not Ending.REFUSED:
                return outcome, digest
            await self._told_to_wait(outcome, waits)

    async def _told_to_wait(self, outcome: Outcome, waits: tuple[int, ...]) -> None:
        if outcome.status not in waits or outcome.retry_after is None:
            raise Refused(outcome)
        self.seen.refused += outcome.status == 503
        await asyncio.sleep(float(outcome.retry_after))

    def _problem(self, spec: Spec, outcome: Outcome, digest: Digest) -> str:
        if outcome.ending is not Ending.COMPLETE:
            return f"a download was {outcome.ending.value}"
        try:
            return "" if digest.finish() == self._expected[spec] else f"{spec}: differs from the server"
        except WrongFile as error:
            return f"{spec}: {error}"

    async def _probe(self) -> None:
        while not self._over.is_set():
            task = asyncio.create_task(self._ask())
            self._probes.add(task)
            task.add_done_callback(self._probes.discard)
            await asyncio.sleep(PROBE_SECONDS)
        await asyncio.gather(*self._probes)

    async def _ask(self) -> None:
        self.seen.probes.append(await probe(self._port))


async def probe(port: int) -> float:
    """Seconds that ``/health/live`` takes on a connection of its own; :data:`SILENT_SECONDS` without a good answer."""
    started = time.perf_counter()
    answer = b""
    try:
        async with asyncio.timeout(SILENT_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request("GET", "/health/live", headers="Connection: close\r\n"))
                answer = await reader.read(64 << 10)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        pass
    return time.perf_counter() - started if status_of(answer) == 200 else SILENT_SECONDS


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[max(0, -int(-len(ordered) * share // 1) - 1)] if ordered else 0.0
