"""``GET /exports/benchmark``: the same rows in each format, really run, with time, size and memory."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from polyglot_export.cli.bench.cases import CASES
from polyglot_export.errors import Busy, Cancelled
from polyglot_export.execution.feed import ChunkFeed
from polyglot_export.request.parse import parse_spec
from polyglot_export.request.spec import ExportSpec
from polyglot_export.service.admission import opening as sizing
from polyglot_export.service.admission.machine import resident_bytes
from polyglot_export.service.container import CallerDep, Service, ServiceDep
from polyglot_export.service.http.answers import answer, problems_for
from polyglot_export.service.http.auth import Caller
from polyglot_export.service.http.bodies import ExactJSONResponse
from polyglot_export.service.http.problems import ServiceStopping
from polyglot_export.service.routes import datasets
from polyglot_export.service.routes.schemas import BenchmarkResult, BenchmarkView
from polyglot_export.service.streams.download import until_gone

__all__ = ["router"]

FORMS = tuple(CASES[name] for name in ("csv", "json", "xml", "parquet"))
"""The forms of ``polyglot bench`` that are measured here too; that command compares them with other tools, each in a
process of its own."""
SAMPLE_SECONDS = 0.02
"""Time between two looks at the memory of the process: peaks of buffers last longer."""

router = APIRouter(tags=["exports"])
T = TypeVar("T")


@router.get(
    "/exports/benchmark",
    summary="Measure the formats",
    response_class=ExactJSONResponse,
    responses=answer(BenchmarkView) | problems_for(400, 401, 403, 503, 504),
)
async def benchmark(request: Request, service: ServiceDep, caller: CallerDep) -> Response:
    """Export the default dataset as csv, json, xml and parquet, one after the other; nothing is stored.

    It reads at most the number of rows that is set (POLYGLOT_BENCHMARK_ROWS). The peak is that of the whole process,
    other exports that run at the same time included. There is one benchmark at a time; another one is answered 503.
    """
    if service.runs.stopping:
        raise ServiceStopping("the service is being shut down; try again later")
    if service.benchmarking:
        raise Busy("a benchmark is running already; try again later")
    service.benchmarking = True
    try:
        view = await _while_connected(request, _measure_all(service, caller))
    finally:
        service.benchmarking = False
    return ExactJSONResponse(view.members())


async def _measure_all(service: Service, caller: Caller) -> BenchmarkView:
    name = service.settings.default_dataset
    most = service.settings.benchmark_rows
    dataset = await datasets.find(service, caller, name)
    # A limit makes the export one segment, so it is only set where the table may have more rows than that.
    limit = None if dataset.estimated_rows is not None and dataset.estimated_rows <= most else most
    results: list[BenchmarkResult] = []
    rows = 0
    for form in FORMS:
        measured = await _measure(service, caller, parse_spec({**form.members(), "dataset": name, "limit": limit}))
        rows = rows or measured.rows
        results.append(
            BenchmarkResult(
                format=form.name,
                duration_seconds=round(measured.seconds, 3),
                file_size_bytes=measured.bytes,
                peak_memory_mb=round(measured.peak / (1 << 20), 1),
            )
        )
    return BenchmarkView(dataset_row_count=rows, results=results)


@dataclass(frozen=True, slots=True)
class _Measured:
    rows: int
    bytes: int
    seconds: float
    peak: int


async def _measure(service: Service, caller: Caller, spec: ExportSpec) -> _Measured:
    size = sizing.of(service, spec, f"benchmark {uuid.uuid4()}")
    with await service.budget.reserve(size, service.settings.queue_timeout):
        sampler = _PeakSampler()
        started = time.perf_counter()
        feed = ChunkFeed(size.opener(service.exposure(caller)))
        try:
            export = await feed.start()
            written = 0
            while (chunk := await feed.next_chunk()) is not None:
                written += len(chunk)
            rows = export.progress().rows
        finally:
            feed.cancel()
            await feed.aclose()
            peak = sampler.stop()
        return _Measured(rows, written, time.perf_counter() - started, peak)


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


async def _while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do the work, and stop it when the client goes away."""
    working = asyncio.create_task(work)
    gone = asyncio.create_task(until_gone(request.receive))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Cancelled("the client closed the connection before the benchmark ended")
        return working.result()
    finally:
        gone.cancel()
        working.cancel()
        # Cancelling is a wish: the connections are closed when the task has ended.
        await asyncio.wait({working})
