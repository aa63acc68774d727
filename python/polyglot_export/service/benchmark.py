"""The same rows in each format, really exported: time, size and memory."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass

from polyglot_export.errors import Busy
from polyglot_export.execution.feed import ChunkFeed
from polyglot_export.request.parse import parse_spec
from polyglot_export.service.admission.machine import resident_bytes
from polyglot_export.service.admission.opening import Admission
from polyglot_export.service.callers import Caller
from polyglot_export.service.catalogue import Catalogue

__all__ = ["Benchmark", "Measured"]

FORMATS = ("csv", "json", "xml", "parquet")
SAMPLE_SECONDS = 0.02
"""Time between two looks at the memory of the process: peaks of buffers last longer."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One format's run."""

    format: str
    rows: int
    bytes: int
    seconds: float
    peak: int
    """Bytes of the whole process, other exports that ran at the same time included."""


class Benchmark:
    """Measures on request, one client at a time."""

    def __init__(self, catalogue: Catalogue, admission: Admission, most_rows: int, queue_timeout: float) -> None:
        """Set up.

        Args:
            catalogue: Knows the default dataset, which is what is exported.
            admission: Lets the exports in.
            most_rows: Of the dataset that are exported.
            queue_timeout: Seconds that an export may wait for its turn.
        """
        self._catalogue = catalogue
        self._admission = admission
        self._most_rows = most_rows
        self._queue_timeout = queue_timeout
        self._running = False

    async def run(self, caller: Caller) -> list[Measured]:
        """Measure every format, one after the other.

        Args:
            caller: Who asks; it takes of that one's share of memory and connections.

        Raises:
            Busy: A benchmark is running already.
            PolyglotError: An export failed.
        """
        if self._running:
            raise Busy("a benchmark is running already; try again later")
        self._running = True
        try:
            limit = await self._limit(caller)
            return [await self._measure(caller, name, limit) for name in FORMATS]
        finally:
            self._running = False

    async def _limit(self, caller: Caller) -> int | None:
        """A limit makes the export one segment, so it is only set where the table may have more rows than that."""
        dataset = await self._catalogue.find(caller, self._catalogue.default_dataset)
        small = dataset.estimated_rows is not None and dataset.estimated_rows <= self._most_rows
        return None if small else self._most_rows

    async def _measure(self, caller: Caller, name: str, limit: int | None) -> Measured:
        spec = parse_spec({"format": name, "dataset": self._catalogue.default_dataset, "limit": limit})
        admit = self._admission.admit(
            spec,
            caller.exposure,
            f"benchmark {uuid.uuid4()}",
            self._queue_timeout,
            caller.name,
            rights=caller.rights,
        )
        with await admit as admitted:
            return await _measured(name, ChunkFeed(admitted.open))


async def _measured(name: str, feed: ChunkFeed) -> Measured:
    sampler = _PeakSampler()
    started = time.perf_counter()
    try:
        export = await feed.start()
        size = 0
        while (chunk := await feed.next_chunk()) is not None:
            size += len(chunk)
        rows = export.progress().rows
    finally:
        await feed.aclose()
        peak = sampler.stop()
    return Measured(name, rows, size, time.perf_counter() - started, peak)


class _PeakSampler:
    """The most memory that the process was seen to use between two moments."""

    def __init__(self) -> None:
        self._peak = resident_bytes()
        self._task = asyncio.create_task(self._sample())

    def stop(self) -> int:
        """End, and give the peak in bytes."""
        self._task.cancel()
        return max(self._peak, resident_bytes())

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            self._peak = max(self._peak, resident_bytes())
