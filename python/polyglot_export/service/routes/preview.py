"""``/datasets/{name}/preview``: the first rows of what would be exported, and how large that would be."""

from __future__ import annotations

from statistics import median
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from polyglot_export.access.scopes import Scope
from polyglot_export.errors import SpecError, UnknownDataset
from polyglot_export.formats.registry import Format
from polyglot_export.jobs.job import JobStatus
from polyglot_export.jobs.stores.base import JobStore
from polyglot_export.request.spec import ExportSpec
from polyglot_export.service.admission.bodies import held_bytes
from polyglot_export.service.callers import Caller
from polyglot_export.service.dependencies import (
    AuditDep,
    CallerDep,
    CatalogueDep,
    PreviewsDep,
    StoreDep,
    needs,
    within_the_day,
)
from polyglot_export.service.errors import NotFound
from polyglot_export.service.http.answer_model import AnswerModel
from polyglot_export.service.http.bodies import ExactJSONResponse, object_of
from polyglot_export.service.http.clients import while_connected
from polyglot_export.service.http.openapi import json_answer, problems_for
from polyglot_export.service.preview.preview import Preview
from polyglot_export.service.routes.datasets import shown
from polyglot_export.service.routes.making import read_spec

__all__ = ["router"]

router = APIRouter(tags=["datasets"])

USUAL_RATE = 200_000.0
"""Rows a second, where the caller has no exports yet from which its own could be known."""
LOOKED_AT = 20
"""Of its latest exports."""


class ColumnShown(AnswerModel):
    """A column of the file."""

    name: str
    type: str
    """Of the database."""


class CutShown(AnswerModel):
    """A value that is shown in part."""

    row: int
    column: int
    length: int
    """Of the whole value, in characters."""


class EstimateView(AnswerModel):
    """What the export comes to, about."""

    rows: int | None
    bytes: int | None
    seconds: float | None


class PreviewView(AnswerModel):
    """The first rows."""

    columns: list[ColumnShown]
    rows: list[list[Any]]
    """JSON values, in the order of the columns; 20 rows at most."""
    cut: list[CutShown]
    complete: bool
    """Whether these are all rows."""
    written: str | None
    """The beginning of the file as it would be written; `null` for formats that are no text."""
    estimate: EstimateView | None
    """`null` where it would tell of rows that this caller may not read."""


@router.get(
    "/datasets/{name:path}/preview",
    dependencies=[needs(Scope.READ), needs(Scope.EXPORT), within_the_day],
    summary="Look at the first rows of an export",
    responses=json_answer(PreviewView) | problems_for(400, 401, 403, 404, 429, 500, 503, 504),
)
async def preview(
    name: str,
    request: Request,
    caller: CallerDep,
    catalogue: CatalogueDep,
    previews: PreviewsDep,
    store: StoreDep,
    audit: AuditDep,
    spec: Annotated[str, Query(description="The body that POST /exports would have, without the dataset")] = "{}",
) -> ExactJSONResponse:
    """What the file would begin with, under the caller's rights, within a second; and what it would come to, told as an
    estimate. It ends when the client goes away.
    """
    asked = {"format": Format.CSV.value, **await object_of(spec.encode(errors="replace")), "dataset": name}
    if asked.get("datasets") is not None:
        raise SpecError("datasets", "a preview is of one dataset")
    read, _ = read_spec({**asked, "delivery": "stream", "destination": None, "partSize": None, "webhook": None}, name)
    try:
        columns = await catalogue.columns(caller, read)
    except UnknownDataset as error:
        try:
            return shown(await catalogue.find(caller, f"{name}/preview", details=True))
        except UnknownDataset:
            raise NotFound(error.message, field=error.field) from None
    await audit.previewed(caller.name, read)
    weight = held_bytes(len(spec), read)

    async def made() -> PreviewView:
        found = await previews.of(caller, read, weight=weight)
        return PreviewView(
            columns=[ColumnShown(name=target, type=type_) for target, type_ in columns],
            rows=found.rows,
            cut=[CutShown(row=row, column=column, length=length) for row, column, length in found.cut],
            complete=found.complete,
            written=found.written,
            estimate=await _estimate(store, caller, read, found),
        )

    return ExactJSONResponse((await while_connected(request.receive, made())).members())


async def _estimate(store: JobStore, caller: Caller, spec: ExportSpec, found: Preview) -> EstimateView | None:
    if found.estimate is None:
        return None
    rows = found.estimate.rows
    seconds = None if rows is None else round(rows / await _rate(store, caller, spec.format), 1)
    return EstimateView(rows=rows, bytes=found.estimate.bytes, seconds=seconds)


async def _rate(store: JobStore, caller: Caller, format_: Format) -> float:
    """Rows a second, as the caller's latest exports had in this format."""
    rates = [
        run.rows_per_second
        for job in await store.page(caller.name, limit=LOOKED_AT)
        for run in job.runs[-1:]
        if job.spec.format is format_ and run.status is JobStatus.COMPLETED and run.elapsed > 1 and run.rows_per_second
    ]
    return median(rates) if rates else USUAL_RATE
