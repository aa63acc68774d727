"""``GET /exports/{id}/events``: follow an export.

A browser reconnects when a stream ends, and says what it has seen (``Last-Event-ID``). A client that has seen the end
is answered 204, which tells it to stop.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from polyglot_export.access.scopes import Scope
from polyglot_export.jobs.job import Job, JobStatus
from polyglot_export.service.dependencies import CallerDep, JobEventsDep, RevocationsDep, VisibleJobDep, needs
from polyglot_export.service.http.openapi import other_answer, problems_for
from polyglot_export.service.http.versions import require_http_1_1
from polyglot_export.service.replicas.runs import check_runnable
from polyglot_export.service.streams.events import EventResponse, Follower, JobEvents

__all__ = ["events_of", "router"]

router = APIRouter(tags=["exports"])


@router.get(
    "/exports/{export_id}/events",
    dependencies=[needs(Scope.READ)],
    summary="Follow an export",
    response_class=Response,
    responses={
        200: {
            "description": "Server-sent events: state, progress, end",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **other_answer(204, "The client has seen the end"),
        **problems_for(401, 403, 404, 410, 426, 429, 503),
    },
)
async def events(
    request: Request,
    job: VisibleJobDep,
    caller: CallerDep,
    job_events: JobEventsDep,
    revocations: RevocationsDep,
    last_event_id: Annotated[str | None, Header(description="The id of the last event that was seen")] = None,
) -> Response:
    """The present state at once, progress twice a second, and the end. An export that is not running yet is waited
    for.
    """
    if job.status() is JobStatus.EXPIRED:
        check_runnable(job)
    return events_of(request, job, job_events, last_event_id, Follower(lambda: revocations.until_revoked(caller)))


def events_of(
    request: Request, job: Job, job_events: JobEvents, last_event_id: str | None, follower: Follower
) -> Response:
    """The stream, for whoever may follow the export.

    Args:
        request: Is asked over which version of HTTP it comes.
        job: As it stands.
        job_events: Of the service.
        last_event_id: That the client has seen.
        follower: Who that is.
    """
    require_http_1_1(request)
    if job_events.was_seen_to_its_end(job, last_event_id):
        return Response(status_code=204)
    return EventResponse(job_events, job, follower)
