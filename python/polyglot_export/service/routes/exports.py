"""``/exports``: create, show, list, download and end exports."""

from __future__ import annotations

import asyncio
import re
import uuid
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from polyglot_export.errors import SpecError
from polyglot_export.execution.feed import ChunkFeed
from polyglot_export.jobs.job import Job, JobStatus, now
from polyglot_export.jobs.stores.base import cursor_of
from polyglot_export.request.parse import parse_spec
from polyglot_export.request.spec import ExportSpec
from polyglot_export.service.admission import opening as sizing
from polyglot_export.service.container import CallerDep, Service, ServiceDep
from polyglot_export.service.http.answers import answer, described, problems_for
from polyglot_export.service.http.auth import Caller
from polyglot_export.service.http.bodies import ExactJSONResponse, read_object
from polyglot_export.service.http.file_headers import DEFAULT_STEM, file_headers
from polyglot_export.service.http.problems import NotFound, RangeRefused, UpgradeRequired
from polyglot_export.service.logs import about
from polyglot_export.service.prepared.file_response import prepared_download
from polyglot_export.service.replicas.runs import check_runnable
from polyglot_export.service.routes import datasets, idempotency
from polyglot_export.service.routes.schemas import ExportsView, JobView, job_summary, job_view
from polyglot_export.service.streams.download import DownloadResponse, Terms

__all__ = ["own_job", "require_http_1_1", "router"]

PAGE = 50
"""Jobs of one answer where the caller does not say."""
MAX_PAGE = 500
_HOP_1_0 = re.compile(r"(?:^|,)\s*(?:HTTP/)?1\.0\s", re.IGNORECASE)
"""One hop of a Via header that was reached over HTTP/1.0."""

router = APIRouter(tags=["exports"])

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
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file, as a stream",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
    206: {"description": "Parts of a prepared file"},
    304: {"description": "The client has the prepared file"},
}


@router.post(
    "/exports",
    status_code=201,
    summary="Create an export",
    response_class=ExactJSONResponse,
    responses=answer(JobView, 201) | problems_for(400, 401, 408, 409, 413, 415, 503, 504),
    openapi_extra=_BODY,
)
async def create(request: Request, service: ServiceDep, caller: CallerDep) -> ExactJSONResponse:
    """Save what is to be exported; nothing is read yet, but for a file (``"delivery": "file"``), which is prepared at
    once.

    Everything is checked that can be without running it: the spec, the dataset and its columns. Whether the values of
    a filter fit is known when the download plans the statement; that answer is a 400 too, before the first byte.

    With an `Idempotency-Key` the same request may be sent again: it is answered with the export that the first one
    made.
    """
    data, size = await read_object(request.headers, request.stream(), service.settings.max_body)
    spec, stem = _read_spec(data, service.settings.default_dataset)
    await datasets.check(service, caller, spec)
    at = now()
    retention = timedelta(seconds=service.settings.job_retention)
    key = idempotency.request_key(request.headers, spec, stem)
    taken_by = service.runs.replica if spec.delivery == "file" else None
    job = Job(
        str(uuid.uuid4()),
        caller.name,
        spec,
        stem,
        at,
        at + retention,
        retention,
        weight=size,
        taken_by=taken_by,
        key=key,
    )
    about(exportId=job.id, key=caller.name)
    kept = await service.store.add(job)
    if kept.id != job.id:
        idempotency.check_same(job, kept)
    elif spec.delivery == "file":
        await service.prepared.accept(job)
    return ExactJSONResponse(job_view(service.runs.live(kept)).members(), 201, {"Location": f"/exports/{kept.id}"})


@router.get(
    "/exports", summary="List exports, newest first", responses=answer(ExportsView) | problems_for(400, 401, 503)
)
async def index(
    service: ServiceDep,
    caller: CallerDep,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Most exports in the answer")] = PAGE,
    after: Annotated[str | None, Query(description="The value of next in the page before")] = None,
) -> ExactJSONResponse:
    """The exports that this caller has created; each one's own address has its runs."""
    found = await service.store.page(caller.name, limit=limit + 1, after=after)
    page = found[:limit]
    view = ExportsView(
        exports=[job_summary(service.runs.live(job)) for job in page],
        next=cursor_of(page[-1]) if len(found) > limit else None,
    )
    return ExactJSONResponse(view.members())


@router.get("/exports/{export_id}", summary="Show an export", responses=answer(JobView) | problems_for(401, 404, 503))
async def show(export_id: str, service: ServiceDep, caller: CallerDep) -> ExactJSONResponse:
    """The spec, the state of the latest run with its progress, and all runs."""
    job = await own_job(service, caller, export_id)
    return ExactJSONResponse(job_view(service.runs.live(job)).members())


@router.get(
    "/exports/{export_id}/download",
    summary="Run an export and download its file",
    response_class=Response,
    responses=_FILE | problems_for(400, 401, 403, 404, 409, 410, 412, 416, 426, 500, 503, 504),
)
async def download(export_id: str, request: Request, service: ServiceDep, caller: CallerDep) -> Response:
    """Each call is a run of its own on a snapshot of its own; with ``"delivery": "file"`` it is the file that was
    prepared.

    The file arrives whole, or its connection is reset. Streams are not sent over HTTP/1.0, where a reset may be taken
    for the end, and not in ranges, since two runs are two different files.
    """
    job = await own_job(service, caller, export_id)
    check_runnable(job)
    if job.spec.delivery == "file":
        return prepared_download(service, job, request)
    _refuse_unsafe(request)
    size = sizing.of(service, job.spec, job.id)
    feed = ChunkFeed(size.opener(service.exposure(caller)))
    settings = service.settings
    terms = Terms(
        service.runs, service.budget, size, settings.queue_timeout, settings.slow_client_timeout, settings.min_rate
    )
    return DownloadResponse(job, feed, terms, _download_headers(job))


@router.head(
    "/exports/{export_id}/download",
    summary="The headers of a download",
    response_class=Response,
    responses=described(200, "The headers that are known without a run") | problems_for(401, 404, 409, 410, 412, 503),
)
async def download_headers(export_id: str, request: Request, service: ServiceDep, caller: CallerDep) -> Response:
    """Nothing is run; for a prepared file the headers are those of its download."""
    job = await own_job(service, caller, export_id)
    check_runnable(job)
    if job.spec.delivery == "file":
        return prepared_download(service, job, request)
    return _NoBody(_download_headers(job))


@router.delete(
    "/exports/{export_id}",
    status_code=204,
    summary="End an export",
    response_class=Response,
    responses=described(204, "Cancelled, or forgotten") | problems_for(401, 404, 503),
)
async def end(export_id: str, service: ServiceDep, caller: CallerDep) -> Response:
    """Cancel an export that is pending or running, in the database too; forget one that has ended."""
    job = await own_job(service, caller, export_id)
    if job.running or job.status() is JobStatus.PENDING:
        await service.store.update(job.id, lambda job: job.cancelled(now()))
        service.runs.cancel(job.id)
        service.prepared.cancel(job.id)
    else:
        await service.store.remove(job.id)
        await asyncio.to_thread(service.prepared.remove_file, job)
    return Response(status_code=204)


class _NoBody(Response):
    """A HEAD answer: the length of the stream is not known, so there is no ``Content-Length`` either."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(headers=headers)
        del self.headers["content-length"]


async def own_job(service: Service, caller: Caller, export_id: str) -> Job:
    """A job of this caller; those of others do not exist for it."""
    job = await service.store.get(export_id)
    if job is None or job.owner != caller.name:
        raise NotFound(f"there is no export {export_id[:40]!r}")
    about(exportId=job.id, key=caller.name)
    return job


def _read_spec(data: dict[str, Any], default_dataset: str) -> tuple[ExportSpec, str]:
    """The spec of a request, complete, and the stem of its file's name."""
    if "query" in data:
        raise SpecError("query", "SQL is not taken over HTTP; name a dataset (GET /datasets lists them)")
    named = data.get("dataset") is not None
    spec = parse_spec(data if named else {**data, "dataset": default_dataset})
    return spec, (spec.dataset or DEFAULT_STEM) if named else DEFAULT_STEM


def require_http_1_1(request: Request) -> None:
    """Refuse a stream where its end cannot be told from a break, and where there are no chunks (RFC 9112, section 7.1).

    Raises:
        UpgradeRequired: The client, or the proxy before it, speaks HTTP/1.0.
    """
    # Behind a proxy the header Via has the versions of the hops before it, where the proxy sends it (RFC 9110, section
    # 7.6.3).
    if request.scope["http_version"] == "1.0" or any(_HOP_1_0.search(via) for via in request.headers.getlist("via")):
        raise UpgradeRequired(
            "a stream is not sent over HTTP/1.0, where a broken download looks complete; use HTTP/1.1 (nginx: "
            "proxy_http_version 1.1)",
            headers={"Upgrade": "HTTP/1.1", "Connection": "Upgrade, close"},
        )


def _refuse_unsafe(request: Request) -> None:
    """Refuse what could make two different or incomplete exports look like one whole file."""
    require_http_1_1(request)
    if "range" in request.headers:
        raise RangeRefused(
            "an export is streamed and has no ranges: every download is a new run; start again without a Range header",
            field="Range",
        )


def _download_headers(job: Job) -> dict[str, str]:
    return {
        **file_headers(job.spec, job.file_stem),
        "X-Export-Id": job.id,
        "Cache-Control": "no-store, no-transform",
        "Accept-Ranges": "none",
        "X-Accel-Buffering": "no",
    }
