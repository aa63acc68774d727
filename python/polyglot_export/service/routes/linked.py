"""``/links/{token}``: what a link gives to whoever has it."""

from __future__ import annotations

from functools import partial
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
from polyglot_export.service.http.private import PRIVATE
from polyglot_export.service.links.followed import SENT, FollowedLink
from polyglot_export.service.links.told import shown_by_link, told_by_link
from polyglot_export.service.logs import about
from polyglot_export.service.quotas.metered import METER
from polyglot_export.service.routes.events import events_of
from polyglot_export.service.routes.streaming import HeadersOnly, StreamingDep, refuse_unsafe, stream_headers
from polyglot_export.service.streams.events import Follower

__all__ = ["router"]

router = APIRouter(tags=["links"])


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

    async def streamed() -> Response:
        return _private(streaming.of(job, owner))

    async def given() -> Response:
        return _private(await delivered.give(job, owner, followed.link.file or 0, request))

    with told_by_link():
        if job.spec.delivery == "stream":
            owner.need(Scope.EXPORT)
            refuse_unsafe(request)
            return await links.use(followed, streamed)
        if job.spec.delivery == "store":
            return await links.use(followed, given)
        answer, file = _private(prepared.answer(runs.live(job), owner, request)), job.file
        if answer.status_code not in SENT or file is None:
            return answer

        async def told() -> Response:
            range_ = request.headers.get("range") if answer.status_code == 206 else None
            await audit.sent(job, size=file.size, sha256=file.sha256, range_=range_)
            return answer

        return await links.use(followed, told)


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
    with told_by_link():
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
    links: LinksDep,
    job_events: JobEventsDep,
    revocations: RevocationsDep,
    last_event_id: Annotated[str | None, Header(description="The id of the last event that was seen")] = None,
) -> Response:
    """For the `EventSource` of a browser, which cannot send a key. The link is not used. The stream ends with the link,
    and tells neither whose export it is, nor where it goes, nor why it failed.
    """
    follower = Follower(
        lambda: revocations.until_revoked(followed.owner),
        followed.link.id,
        partial(links.may_follow, followed),
        shown_by_link,
    )
    return _private(events_of(request, followed.job, job_events, last_event_id, follower))


def _private(answer: Response) -> Response:
    answer.headers.update(PRIVATE)
    return answer
