"""``/exports``: create, show, list and end exports."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import accumulate
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from polyglot_export.access.scopes import Scope
from polyglot_export.jobs.job import Job, JobStatus, now
from polyglot_export.jobs.stores.base import cursor_of
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
from polyglot_export.service.http.job_answers import JobSummary, JobView, job_summary, job_view
from polyglot_export.service.http.openapi import json_answer, other_answer, problems_for
from polyglot_export.service.routes.making import MakingDep, read_spec

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
    runs: RunsDep,
    making: MakingDep,
    settings: SettingsDep,
    bodies: BodyRoomDep,
) -> ExactJSONResponse:
    """Save what is to be exported. Nothing is read yet, unless it runs in the background (`"delivery"` is `"file"` or
    `"store"`), which it does at once.

    Everything is checked that can be without running it: the spec, the dataset and its columns. Whether the values of
    a filter fit is known when the download plans the statement; that answer is a 400 too, before the first byte.

    With an `Idempotency-Key` the same request may be sent again: it is answered with the export that the first one
    made.
    """
    async with bodies.reading(caller.name, request.headers, request.stream()) as (data, size):
        spec, stem = await asyncio.to_thread(read_spec, data, catalogue.default_dataset)
        if spec.delivery == "store":
            caller.destinations.named(spec.destination)
        caller.check_webhook(spec.webhook)
        await catalogue.check(caller, spec)
        key = idempotency.request_key(request.headers, spec, stem)
        kept = await making.of(spec, stem, caller, size=size, key=key)
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
    status: Annotated[JobStatus | None, Query(description="Only exports in this state")] = None,
    dataset: Annotated[str | None, Query(description="Only exports of this dataset")] = None,
) -> ExactJSONResponse:
    """The exports that this caller has created, or those of all with the scope `list-all`; each one's own address has
    its runs.
    """
    all_owners = Scope.LIST_ALL in caller.rights.scopes
    found: list[Job] = []
    while len(found) <= limit:
        read = limit + 1 if status is None and dataset is None else MAX_PAGE
        jobs = await (store.page_of_all if all_owners else partial(store.page, caller.name))(limit=read, after=after)
        found += [job for job in map(runs.live, jobs) if _is_wanted(job, status, dataset)]
        if len(jobs) < read:
            break
        after = cursor_of(jobs[-1])
    page = _that_fit(found[:limit])
    view = ExportsView(
        exports=[job_summary(job) for job in page],
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


def _is_wanted(job: Job, status: JobStatus | None, dataset: str | None) -> bool:
    if status is not None and job.status() is not status:
        return False
    return dataset is None or any(each.dataset == dataset for each in job.spec.each())


def _that_fit(jobs: list[Job]) -> list[Job]:
    """The first of them, one at least, whose requests are not too large together."""
    weights = accumulate(job.weight for job in jobs)
    return jobs[: max(1, sum(weight <= PAGE_BYTES for weight in weights))]
