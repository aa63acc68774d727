"""``GET /exports/{id}/events``: how far an export is, as server-sent events (HTML Standard, section 9.2).

    state      the export as ``GET /exports`` lists it: at once, and whenever its state changes
    progress   its latest run, at most twice a second, when something has changed
    end        as ``state``, when the export is over; the stream ends

A browser reconnects when a stream ends, and says what it has seen (``Last-Event-ID``). Who has seen the end is answered
204, which tells it to stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.sse import format_sse_event
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from polyglot_export.errors import Busy
from polyglot_export.jobs.job import Job, JobStatus
from polyglot_export.jobs.stores.base import StoreAway
from polyglot_export.service.container import CallerDep, Service, ServiceDep
from polyglot_export.service.http.answers import described, problems_for
from polyglot_export.service.http.protocol import EXTENSION, Connection
from polyglot_export.service.replicas.runs import check_runnable
from polyglot_export.service.routes.exports import own_job, require_http_1_1
from polyglot_export.service.routes.schemas import job_summary, run_view
from polyglot_export.service.streams.download import until_gone
from polyglot_export.text.exact_json import dumps

__all__ = ["MAX_STREAMS", "EventResponse", "events_of", "router"]

LOOK_SECONDS = 0.5
"""Between two looks at the job."""
HEARTBEAT_SECONDS = 15.0
"""Time after which a silent stream sends a comment: proxies close connections that say nothing for a minute or less."""
SEND_SECONDS = 30.0
"""Time that a client may take nothing of what waits for it."""
RETRY_MILLISECONDS = 2_000
"""When a client whose stream broke comes back."""
MAX_STREAMS = 100
"""Streams of a process: each one costs a connection, 26 KB, and two looks a second; all together 4 % of a CPU where
jobs are in Redis."""
_OVER = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.EXPIRED})
_HEARTBEAT = b":\n\n"

router = APIRouter(tags=["exports"])


@router.get(
    "/exports/{export_id}/events",
    summary="Follow an export",
    response_class=Response,
    responses={
        200: {
            "description": "Server-sent events: state, progress, end",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **described(204, "The client has seen the end"),
        **problems_for(401, 404, 410, 426, 503),
    },
)
async def events(
    export_id: str,
    request: Request,
    service: ServiceDep,
    caller: CallerDep,
    last_event_id: Annotated[str | None, Header(description="The id of the last event that was seen")] = None,
) -> Response:
    """The present state at once, progress twice a second, and the end. An export that is not running yet is waited
    for.
    """
    job = await own_job(service, caller, export_id)
    if job.status() is JobStatus.EXPIRED:
        check_runnable(job)
    require_http_1_1(request)
    if last_event_id is not None and _is_over(service, job) and last_event_id == _event_id(job):
        return Response(status_code=204)
    if service.event_streams >= MAX_STREAMS:
        raise Busy(
            f"{MAX_STREAMS} streams of events are open, which is the limit; ask GET /exports/{{id}} instead, or try "
            "again later"
        )
    return EventResponse(service, job)


class EventResponse(Response):
    """One client that follows one job.

    Memory:
        One event of a kilobyte, and what uvicorn and the kernel buffer.
    """

    media_type = "text/event-stream"

    def __init__(self, service: Service, job: Job) -> None:
        """Set up.

        Args:
            service: Where to look.
            job: As it was when the request came.
        """
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._service = service
        self._job = job

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the job is over, the client is gone, or the service ends."""
        connection: Connection = scope["extensions"][EXTENSION]
        connection.hold_requests()
        self._service.event_streams += 1
        work = asyncio.create_task(self._write(send))
        gone = asyncio.create_task(until_gone(receive))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._service.event_streams -= 1
            gone.cancel()
            work.cancel()
            await asyncio.wait({work, gone})
        if not work.cancelled() and (error := work.exception()) is not None:
            connection.abort()
            if not isinstance(error, TimeoutError):
                raise error

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for event in events_of(self._service, self._job):
            async with asyncio.timeout(SEND_SECONDS):
                await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def events_of(service: Service, job: Job | None) -> AsyncIterator[bytes]:
    """The events of a job, from its present state to its end."""
    loop = asyncio.get_running_loop()
    spoken = loop.time()
    seen_id = seen_state = None
    retry: int | None = RETRY_MILLISECONDS
    while job is not None:
        job = service.runs.live(job)
        state = (job.status(), job.latest.number if job.latest is not None else 0)
        event_id = _event_id(job)
        over = _is_over(service, job)
        if event_id != seen_id:
            if state != seen_state:
                name, data = "end" if over else "state", job_summary(job).members()
            else:
                name, data = "progress", {"exportId": job.id, **_latest(job)}
            yield format_sse_event(data_str=dumps(data), event=name, id=event_id, retry=retry)
            seen_id, seen_state, retry, spoken = event_id, state, None, loop.time()
        elif loop.time() - spoken >= HEARTBEAT_SECONDS:
            yield _HEARTBEAT
            spoken = loop.time()
        if over or (service.runs.stopping and not service.runs.runs_here(job.id)):
            return
        await asyncio.sleep(LOOK_SECONDS)
        job = await _look(service, job)


async def _look(service: Service, job: Job) -> Job | None:
    """The job as it is stored now; as it was while the store is away."""
    try:
        return await service.store.get(job.id)
    except StoreAway:
        return job


def _is_over(service: Service, job: Job) -> bool:
    """Whether nothing more will happen by itself: a file of a lost replica is begun again by another one."""
    latest = job.latest
    again = job.status() is JobStatus.FAILED and job.spec.delivery == "file" and latest is not None and latest.lost
    return job.status() in _OVER and not (again and service.prepared.may_begin(job))


def _event_id(job: Job) -> str:
    """Tells states and progress of a job apart, on every replica alike."""
    latest = job.latest
    run = f"{latest.number}.{latest.rows}.{latest.bytes}" if latest is not None else "0"
    return f"{job.status().value}.{run}"


def _latest(job: Job) -> dict[str, object]:
    return run_view(job.latest).members() if job.latest is not None else {}
