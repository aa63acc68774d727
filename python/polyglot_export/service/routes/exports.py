"""``/exports``: create, show, list and end exports."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from itertools import accumulate
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from polyglot_export.access.scopes import Scope
from polyglot_export.errors import PolyglotError, SpecError
from polyglot_export.jobs.job import Job, JobStatus, now
from polyglot_export.jobs.stores.base import JobStore, cursor_of
from polyglot_export.limits import MAX_FILTER_VALUES
from polyglot_export.request.parse import parse_spec
from polyglot_export.request.spec import ExportSpec
from polyglot_export.service.admission.bodies import held_bytes
from polyglot_export.service.audit.recorder import Recorder
from polyglot_export.service.background.preparations import Preparations
from polyglot_export.service.callers import Caller
from polyglot_export.service.dependencies import (
    AuditDep,
    BodyRoomDep,
    CallerDep,
    CatalogueDep,
    MessengerDep,
    OwnJobDep,
    PreparationsDep,
    RunsDep,
    SettingsDep,
    StoreDep,
    VisibleJobDep,
    needs,
    within_the_day,
)
from polyglot_export.service.http import idempotency
from polyglot_export.service.http.answer_model import AnswerModel
from polyglot_export.service.http.bodies import ExactJSONResponse
from polyglot_export.service.http.file_headers import DEFAULT_STEM
from polyglot_export.service.http.job_answers import JobSummary, JobView, job_summary, job_view
from polyglot_export.service.http.openapi import json_answer, other_answer, problems_for
from polyglot_export.service.logs import about

__all__ = ["router"]

PAGE = 50
"""Jobs of one answer where the caller does not say."""
MAX_PAGE = 500
PAGE_BYTES = 1 << 20
"""What the requests of the jobs of one page may hold (``Job.weight``): the answer is written and kept as a whole."""

router = APIRouter(tags=["exports"])


class ExportsView(AnswerModel):
    """One page of exports, newest first; ``next`` is the ``after`` of the page that follows."""

    exports: list[JobSummary]
    next: str | None


_BODY: dict[str, Any] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "A key of the client's choice, such as a UUID: the same request with the same key makes no "
            "second export",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        }
    ],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ExportRequest"}}},
    },
}


@router.post(
    "/exports",
    dependencies=[needs(Scope.EXPORT), within_the_day],
    status_code=201,
    summary="Create an export",
    response_class=ExactJSONResponse,
    responses=json_answer(JobView, 201) | problems_for(400, 401, 403, 408, 409, 413, 415, 429, 503, 504),
    openapi_extra=_BODY,
)
async def create(
    request: Request,
    caller: CallerDep,
    catalogue: CatalogueDep,
    store: StoreDep,
    runs: RunsDep,
    preparations: PreparationsDep,
    settings: SettingsDep,
    bodies: BodyRoomDep,
    audit: AuditDep,
) -> ExactJSONResponse:
    """Save what is to be exported. Nothing is read yet, unless it runs in the background (`"delivery"` is `"file"` or
    `"store"`), which it does at once.

    Everything is checked that can be without running it: the spec, the dataset and its columns. Whether the values of
    a filter fit is known when the download plans the statement; that answer is a 400 too, before the first byte.

    With an `Idempotency-Key` the same request may be sent again: it is answered with the export that the first one
    made.
    """
    async with bodies.reading(caller.name, request.headers, request.stream()) as (data, size):
        spec, stem = await asyncio.to_thread(_read_spec, data, catalogue.default_dataset)
        if spec.delivery == "store":
            caller.destinations.named(spec.destination)
        caller.check_webhook(spec.webhook)
        await catalogue.check(caller, spec)
        at, retention = now(), timedelta(seconds=settings.job_retention)
        job = Job(
            str(uuid.uuid4()),
            caller.name,
            spec,
            stem,
            at,
            at + retention,
            retention,
            weight=held_bytes(size, spec),
            taken_by=runs.replica if spec.in_background else None,
            key=idempotency.request_key(request.headers, spec, stem),
            rights=caller.kept,
        )
        about(exportId=job.id, key=caller.name)
        kept = await _keep(job, caller, store, preparations, audit)
        # What a proxy has taken off, then where an app has mounted the service.
        above = settings.root_path + quote(request.scope.get("root_path", ""))
        return ExactJSONResponse(job_view(runs.live(kept)).members(), 201, {"Location": f"{above}/exports/{kept.id}"})


@router.get(
    "/exports",
    dependencies=[needs(Scope.READ)],
    summary="List exports, newest first",
    responses=json_answer(ExportsView) | problems_for(400, 401, 403, 429, 503),
)
async def index(
    caller: CallerDep,
    store: StoreDep,
    runs: RunsDep,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Most exports in the answer")] = PAGE,
    after: Annotated[str | None, Query(description="The value of next in the page before")] = None,
) -> ExactJSONResponse:
    """The exports that this caller has created, or those of all with the scope `list-all`; each one's own address has
    its runs.
    """
    if Scope.LIST_ALL in caller.rights.scopes:
        found = await store.page_of_all(limit=limit + 1, after=after)
    else:
        found = await store.page(caller.name, limit=limit + 1, after=after)
    page = _that_fit(found[:limit])
    view = ExportsView(
        exports=[job_summary(runs.live(job)) for job in page],
        next=cursor_of(page[-1]) if len(found) > len(page) else None,
    )
    return ExactJSONResponse(view.members())


@router.get(
    "/exports/{export_id}",
    dependencies=[needs(Scope.READ)],
    summary="Show an export",
    responses=json_answer(JobView) | problems_for(401, 403, 404, 429, 503),
)
async def show(job: VisibleJobDep, runs: RunsDep) -> ExactJSONResponse:
    """The spec, the state of the latest run with its progress, and all runs."""
    return ExactJSONResponse(job_view(runs.live(job)).members())


@router.delete(
    "/exports/{export_id}",
    dependencies=[needs(Scope.CANCEL)],
    status_code=204,
    summary="End an export",
    response_class=Response,
    responses=other_answer(204, "Cancelled, or forgotten") | problems_for(401, 403, 404, 429, 503),
)
async def end(
    job: OwnJobDep,
    store: StoreDep,
    runs: RunsDep,
    preparations: PreparationsDep,
    messenger: MessengerDep,
    audit: AuditDep,
) -> Response:
    """Cancel an export that is pending or running, in the database too; forget one that has ended."""
    alive = job.running or job.status() is JobStatus.PENDING
    await audit.deleted(job, running=alive)
    if alive:
        cancelled = await store.update(job.id, lambda job: job.cancelled(now(), runs.replica))
        if cancelled is not None and cancelled.latest is None:
            # Otherwise the end of its run tells.
            messenger.told(cancelled)
        runs.cancel(job.id)
        preparations.cancel(job.id)
    else:
        await store.remove(job.id)
        await preparations.forget(job)
    return Response(status_code=204)


async def _keep(job: Job, caller: Caller, store: JobStore, preparations: Preparations, audit: Recorder) -> Job:
    """Store a new job, and have it run where it is for the background.

    Returns:
        The job; or the one that an earlier request with its key has made.

    Raises:
        PolyglotError: There is no room for it.
    """
    kept = await store.add(job)
    if kept.id != job.id:
        idempotency.check_same(job, kept)
        return kept
    try:
        await audit.created(job, caller.rights.role)
        if job.spec.in_background:
            await preparations.accept(job)
    except PolyglotError:
        # Where there is no room for what it makes, or nobody would know of it, there is no job either.
        await store.remove(job.id)
        raise
    return kept


def _that_fit(jobs: list[Job]) -> list[Job]:
    """The first of them, one at least, whose requests are not too large together."""
    weights = accumulate(job.weight for job in jobs)
    return jobs[: max(1, sum(weight <= PAGE_BYTES for weight in weights))]


def _read_spec(data: dict[str, Any], default_dataset: str) -> tuple[ExportSpec, str]:
    """The spec of a request, complete, and the stem of its file's name."""
    if "query" in data:
        raise SpecError("query", "SQL is not taken over HTTP; name a dataset (GET /datasets lists them)")
    if "sqlWhere" in data or "sql_where" in data:
        raise SpecError("sqlWhere", "SQL is not taken over HTTP; give a filter")
    names = ExportSpec.members()
    unknown = next((name for name in data if name not in names and name not in names.values()), None)
    if unknown is not None:
        allowed = ", ".join(name for name in names if name not in ("query", "sqlWhere"))
        raise SpecError(None, f"unknown member {unknown!r}; allowed are {allowed}")
    named = data.get("dataset") is not None or data.get("datasets") is not None
    spec = parse_spec(data if named else {**data, "dataset": default_dataset})
    if (listed := spec.listed_values()) > MAX_FILTER_VALUES:
        raise SpecError(
            "filter",
            f"the lists of all terms may have {MAX_FILTER_VALUES} values together (got {listed}); "
            "ask for a table or view that has them",
        )
    return spec, (spec.dataset or DEFAULT_STEM) if named else DEFAULT_STEM
