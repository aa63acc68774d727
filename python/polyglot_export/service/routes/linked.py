"""``/links/{token}``: what a link gives to whoever has it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from starlette.responses import Response

from polyglot_export.access.scopes import Scope
from polyglot_export.service.audit.origin import address_of, note_address
from polyglot_export.service.dependencies import (
    AuditDep,
    DeliveredFilesDep,
    JobEventsDep,
    LinksDep,
    PreparedFilesDep,
    QuotasDep,
    RevocationsDep,
    RunsDep,
    SettingsDep,
)
from polyglot_export.service.http.openapi import other_answer, problems_for
from polyglot_export.service.links.followed import FollowedLink
from polyglot_export.service.logs import about
from polyglot_export.service.quotas.metered import METER
from polyglot_export.service.routes.events import events_of
from polyglot_export.service.routes.streaming import HeadersOnly, StreamingDep, refuse_unsafe, stream_headers

__all__ = ["router"]

router = APIRouter(tags=["links"])

SENT = (200, 206, 302)
"""Answers with what the link is for."""
_HEADERS = {"Cache-Control": "no-store, no-transform", "X-Robots-Tag": "noindex"}


async def _followed(
    token: str, request: Request, links: LinksDep, settings: SettingsDep, quotas: QuotasDep
) -> FollowedLink:
    note_address(address_of(request, settings.trusted_proxies))
    followed = await links.follow(token)
    request.state.caller = followed.owner.name
    about(exportId=followed.job.id, key=followed.owner.name, link=followed.link.id)
    request.scope[METER] = quotas.meter(followed.owner)
    await quotas.note_request(followed.owner)
    return followed


FollowedDep = Annotated[FollowedLink, Depends(_followed)]
"""The link in the path, with its export and its owner."""


@router.get(
    "/links/{token}",
    summary="Download by a link",
    response_class=Response,
    responses=other_answer(200, "The file")
    | other_answer(206, "Parts of a prepared file")
    | other_answer(302, "To the file in an object store")
    | problems_for(403, 404, 409, 410, 412, 416, 426, 429, 500, 503, 504),
    openapi_extra={"security": []},
)
async def follow(
    request: Request,
    followed: FollowedDep,
    links: LinksDep,
    runs: RunsDep,
    streaming: StreamingDep,
    prepared: PreparedFilesDep,
    delivered: DeliveredFilesDep,
    quotas: QuotasDep,
    audit: AuditDep,
) -> Response:
    """No key is needed. What comes is what the owner of the link may read now."""
    job, owner = followed.job, followed.owner
    await quotas.check_day(owner)
    if job.spec.delivery == "stream":
        owner.need(Scope.EXPORT)
        refuse_unsafe(request)
        return await links.use(followed, _private(streaming.of(job, owner)))
    if job.spec.delivery == "store":
        answer = _private(await delivered.give(job, owner, followed.link.file or 0, request))
        return await links.use(followed, answer) if answer.status_code in SENT else answer
    answer, file = _private(prepared.answer(runs.live(job), owner, request)), job.file
    if answer.status_code not in SENT or file is None:
        return answer
    range_ = request.headers.get("range") if answer.status_code == 206 else None
    return await links.use(followed, answer, lambda: audit.sent(job, size=file.size, sha256=file.sha256, range_=range_))


@router.head(
    "/links/{token}",
    summary="The headers of a download by a link",
    response_class=Response,
    responses=other_answer(200, "The headers that are known")
    | problems_for(403, 404, 409, 410, 412, 416, 429, 500, 503),
    openapi_extra={"security": []},
)
async def headers(
    request: Request, followed: FollowedDep, runs: RunsDep, prepared: PreparedFilesDep, delivered: DeliveredFilesDep
) -> Response:
    """The link is not used: programs look at a link before its reader does."""
    job, owner = followed.job, followed.owner
    if job.spec.delivery == "stream":
        owner.need(Scope.EXPORT)
        return _private(HeadersOnly(stream_headers(job.spec, job.file_stem, job.id)))
    if job.spec.delivery == "store":
        return _private(await delivered.give(job, owner, followed.link.file or 0, request))
    return _private(prepared.answer(runs.live(job), owner, request))


@router.get(
    "/links/{token}/events",
    summary="Follow an export by a link",
    response_class=Response,
    responses={
        200: {
            "description": "Server-sent events: state, progress, end",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **other_answer(204, "The client has seen the end"),
        **problems_for(403, 404, 410, 426, 429, 503),
    },
    openapi_extra={"security": []},
)
async def events(
    request: Request,
    followed: FollowedDep,
    job_events: JobEventsDep,
    revocations: RevocationsDep,
    last_event_id: Annotated[str | None, Header(description="The id of the last event that was seen")] = None,
) -> Response:
    """For the `EventSource` of a browser, which cannot send a key. The link is not used."""
    owner = followed.owner
    return events_of(request, followed.job, job_events, last_event_id, lambda: revocations.until_revoked(owner))


def _private(answer: Response) -> Response:
    answer.headers.update(_HEADERS)
    return answer
