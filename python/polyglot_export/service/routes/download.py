"""``/exports/{id}/download``: run an export and send its file, or send the file that was prepared."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from polyglot_export.access.scopes import Scope
from polyglot_export.jobs.job import Job
from polyglot_export.service.callers import Caller
from polyglot_export.service.dependencies import (
    AuditDep,
    CallerDep,
    OwnJobDep,
    PreparedFilesDep,
    RunsDep,
    needs,
    within_the_day,
)
from polyglot_export.service.errors import WrongState
from polyglot_export.service.http.openapi import other_answer, problems_for
from polyglot_export.service.prepared.downloads import PreparedFiles
from polyglot_export.service.replicas.runs import Runs, check_runnable
from polyglot_export.service.routes.streaming import HeadersOnly, StreamingDep, refuse_unsafe, stream_headers

__all__ = ["router"]

router = APIRouter(tags=["exports"])

SENT = (200, 206)
"""Answers with bytes of a file."""

_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file, as a stream",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
    206: {"description": "Parts of a prepared file"},
    304: {"description": "The client has the prepared file"},
}


@router.get(
    "/exports/{export_id}/download",
    dependencies=[needs(Scope.READ), within_the_day],
    summary="Run an export and download its file",
    response_class=Response,
    responses=_FILE | problems_for(400, 401, 403, 404, 409, 410, 412, 416, 426, 429, 500, 503, 504),
)
async def download(
    request: Request,
    job: OwnJobDep,
    caller: CallerDep,
    runs: RunsDep,
    streaming: StreamingDep,
    prepared: PreparedFilesDep,
    audit: AuditDep,
) -> Response:
    """Each call is a run of its own on a snapshot of its own; with ``"delivery": "file"`` it is the file that was
    prepared.

    The file arrives whole, or its connection is reset. Streams are not sent over HTTP/1.0, where a reset may be taken
    for the end, and not in ranges, since two runs are two different files.
    """
    check_runnable(job)
    if job.spec.in_background:
        answer = _prepared(job, caller, runs, prepared, request)
        if answer.status_code in SENT and job.file is not None:
            whole = answer.status_code == 200
            range_ = None if whole else request.headers.get("range")
            await audit.sent(job, size=job.file.size, sha256=job.file.sha256, range_=range_)
        return answer
    caller.need(Scope.EXPORT)
    refuse_unsafe(request)
    return streaming.of(job, caller)


@router.head(
    "/exports/{export_id}/download",
    dependencies=[needs(Scope.READ)],
    summary="The headers of a download",
    response_class=Response,
    responses=other_answer(200, "The headers that are known without a run")
    | problems_for(401, 403, 404, 409, 410, 412, 429, 503),
)
async def download_headers(
    request: Request, job: OwnJobDep, caller: CallerDep, runs: RunsDep, prepared: PreparedFilesDep
) -> Response:
    """Nothing is run; for a prepared file the headers are those of its download."""
    check_runnable(job)
    if job.spec.in_background:
        return _prepared(job, caller, runs, prepared, request)
    return HeadersOnly(stream_headers(job.spec, job.file_stem, job.id))


def _prepared(job: Job, caller: Caller, runs: Runs, prepared: PreparedFiles, request: Request) -> Response:
    if job.spec.delivery == "store":
        raise WrongState(f"export {job.id} goes into a destination; GET /exports/{job.id}/files lists its files")
    return prepared.answer(runs.live(job), caller, request)
