"""``GET /exports/benchmark``: what the same rows cost in each format."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from polyglot_export.access.scopes import Scope
from polyglot_export.service.benchmark import Measured
from polyglot_export.service.dependencies import BenchmarkDep, CallerDep, RunsDep, needs, within_the_day
from polyglot_export.service.errors import ServiceStopping
from polyglot_export.service.http.answer_model import AnswerModel
from polyglot_export.service.http.bodies import ExactJSONResponse
from polyglot_export.service.http.clients import while_connected
from polyglot_export.service.http.openapi import json_answer, problems_for

__all__ = ["router"]

router = APIRouter(tags=["exports"])


class BenchmarkResult(AnswerModel):
    """One format's run."""

    format: str
    duration_seconds: float
    file_size_bytes: int
    peak_memory_mb: Annotated[float, Field(alias="peakMemoryMB")]


class BenchmarkView(AnswerModel):
    """What the same rows cost in each format."""

    dataset_row_count: int
    results: list[BenchmarkResult]


@router.get(
    "/exports/benchmark",
    dependencies=[needs(Scope.EXPORT), within_the_day],
    summary="Measure the formats",
    response_class=ExactJSONResponse,
    responses=json_answer(BenchmarkView) | problems_for(400, 401, 403, 429, 503, 504),
)
async def benchmark(request: Request, runs: RunsDep, caller: CallerDep, measuring: BenchmarkDep) -> Response:
    """Export the default dataset as csv, json, xml and parquet, one after the other; nothing is stored.

    It reads at most the number of rows that is set (POLYGLOT_BENCHMARK_ROWS). The peak is that of the whole process,
    other exports that run at the same time included. There is one benchmark at a time; another one is answered 503.
    """
    if runs.stopping:
        raise ServiceStopping("the service is being shut down; try again later")
    measured = await while_connected(request.receive, measuring.run(caller))
    rows = next((each.rows for each in measured if each.rows), 0)
    view = BenchmarkView(dataset_row_count=rows, results=[_result(each) for each in measured])
    return ExactJSONResponse(view.members())


def _result(measured: Measured) -> BenchmarkResult:
    return BenchmarkResult(
        format=measured.format,
        duration_seconds=round(measured.seconds, 3),
        file_size_bytes=measured.bytes,
        peak_memory_mb=round(measured.peak / (1 << 20), 1),
    )
