"""``/exports/{id}/links``: addresses that need no key, for a browser's download or a colleague."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from polyglot_export.access.scopes import Scope
from polyglot_export.errors import SpecError
from polyglot_export.fields import read_record
from polyglot_export.jobs.job import Job, now
from polyglot_export.jobs.links import MAX_LINKS, Link
from polyglot_export.jobs.stores.base import JobStore
from polyglot_export.request.link import LinkRequest
from polyglot_export.service.background.absent import absent
from polyglot_export.service.callers import Caller
from polyglot_export.service.dependencies import (
    AuditDep,
    BodyRoomDep,
    CallerDep,
    LinksDep,
    OwnJobDep,
    SettingsDep,
    StoreDep,
    needs,
)
from polyglot_export.service.errors import LinksOff, NotFound, WrongState
from polyglot_export.service.http.answer_model import AnswerModel, Time, time_text
from polyglot_export.service.http.bodies import ExactJSONResponse
from polyglot_export.service.http.openapi import json_answer, other_answer, problems_for
from polyglot_export.service.links.signer import SignedLink
from polyglot_export.service.replicas.runs import check_runnable

__all__ = ["router"]

router = APIRouter(tags=["exports"])


class LinkView(AnswerModel):
    """A link, without its address, which only the answer has that makes it."""

    link_id: str
    made_at: Time
    expires_at: Time
    once: bool
    file: int | None
    uses: int
    used_at: Time | None


class NewLinkView(LinkView):
    """A link that was just made."""

    url: str
    """Of the download: absolute where `POLYGLOT_PUBLIC_URL` is set, otherwise a path on the host that was asked."""
    events_url: str
    """Of the server-sent events of the export, for a page that shows its progress."""


class LinksView(AnswerModel):
    """The links of an export that can be used or were, oldest first."""

    links: list[LinkView]


@router.post(
    "/exports/{export_id}/links",
    dependencies=[needs(Scope.READ)],
    status_code=201,
    summary="Make a link to an export",
    response_class=ExactJSONResponse,
    responses=json_answer(NewLinkView, 201) | problems_for(400, 401, 403, 404, 408, 409, 410, 413, 415, 429, 501, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/LinkRequest"}}},
        }
    },
)
async def create(
    request: Request,
    job: OwnJobDep,
    caller: CallerDep,
    store: StoreDep,
    links: LinksDep,
    settings: SettingsDep,
    bodies: BodyRoomDep,
    audit: AuditDep,
) -> ExactJSONResponse:
    """Whoever has the link downloads what its owner may read at that moment: a prepared file also in ranges, a stream
    as a run of its own, or one of the files of a set. It counts as the owner's.
    """
    if not links.signer.ready:
        raise LinksOff("links between replicas need POLYGLOT_LINK_SECRET, the same for all of them")
    async with bodies.reading(caller.name, request.headers, request.stream()) as (data, _):
        asked = read_record(LinkRequest, data)
    check_runnable(job)
    _check(asked, job, caller)
    at = now()
    ends = min(at + timedelta(seconds=asked.expires_in), job.expires_at)
    link = Link(secrets.token_hex(8), at, ends, asked.once, asked.file)
    await _keep(job, link, store)
    try:
        await audit.link_made(job, link)
    except BaseException:
        await store.update(job.id, lambda job: job.without_link(link.id))
        raise
    above = settings.public_url or settings.root_path + quote(request.scope.get("root_path", ""))
    address = f"{above}/links/{links.signer.sign(SignedLink(job.id, link.id, ends, link.file))}"
    view = NewLinkView(**_members(link), url=address, events_url=f"{address}/events")
    own = f"{settings.root_path}{quote(request.scope.get('root_path', ''))}/exports/{job.id}/links/{link.id}"
    return ExactJSONResponse(view.members(), 201, {"Location": own, "Cache-Control": "no-store"})


@router.get(
    "/exports/{export_id}/links",
    dependencies=[needs(Scope.READ)],
    summary="List the links of an export",
    responses=json_answer(LinksView) | problems_for(401, 403, 404, 429, 503),
)
async def index(job: OwnJobDep) -> ExactJSONResponse:
    """Those that were revoked are not there any more, and those that have ended only until another one is made."""
    return ExactJSONResponse(LinksView(links=[LinkView(**_members(link)) for link in job.links]).members())


@router.delete(
    "/exports/{export_id}/links/{link_id}",
    dependencies=[needs(Scope.READ)],
    status_code=204,
    summary="Revoke a link",
    response_class=Response,
    responses=other_answer(204, "Revoked") | problems_for(401, 403, 404, 429, 503),
)
async def revoke(job: OwnJobDep, link_id: str, store: StoreDep, audit: AuditDep) -> Response:
    """A download that waits for its turn does not come any more; one that has begun goes on."""
    if not any(link.id == link_id for link in job.links):
        raise NotFound(f"export {job.id} has no link {link_id[:40]!r}")
    await audit.link_revoked(job, link_id)
    await store.update(job.id, lambda job: job.without_link(link_id))
    return Response(status_code=204)


def _check(asked: LinkRequest, job: Job, caller: Caller) -> None:
    if job.spec.delivery != "store":
        if asked.file is not None:
            raise SpecError("file", f'is for "delivery": "store"; export {job.id} gives one file')
        if job.spec.delivery == "stream":
            caller.need(Scope.EXPORT)
        return
    if job.delivered is None:
        raise absent(job, "the set of files")
    if asked.file is None or asked.file >= job.delivered.files:
        raise SpecError("file", f"must be the number of one of its {job.delivered.files} files, counted from 0")


async def _keep(job: Job, link: Link, store: JobStore) -> None:
    full = False

    def change(job: Job) -> Job:
        nonlocal full
        changed = job.with_link(link)
        full = changed is None
        return changed or job

    if await store.update(job.id, change) is None:
        raise NotFound(f"there is no export {job.id!r}")
    if full:
        raise WrongState(f"export {job.id} has {MAX_LINKS} links that can be used; revoke one of them first")


def _members(link: Link) -> dict[str, Any]:
    return {
        "link_id": link.id,
        "made_at": time_text(link.made_at),
        "expires_at": time_text(link.expires_at),
        "once": link.once,
        "file": link.file,
        "uses": link.uses,
        "used_at": time_text(link.used_at) if link.used_at is not None else None,
    }
