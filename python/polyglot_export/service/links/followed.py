"""Links that are followed: whose export they are for, and what its owner may read now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.responses import Response

from polyglot_export.access.scopes import Scope
from polyglot_export.jobs.job import Job, now
from polyglot_export.jobs.links import Link
from polyglot_export.jobs.stores.base import JobStore
from polyglot_export.service.audit.recorder import Recorder
from polyglot_export.service.callers import Caller, Callers
from polyglot_export.service.errors import Expired, Forbidden, NotFound
from polyglot_export.service.links.signer import LinkSigner
from polyglot_export.service.links.told import MAY_NOT, told_by_link
from polyglot_export.service.links.used import UsingResponse, count_use
from polyglot_export.service.replicas.runs import check_runnable

__all__ = ["SENT", "FollowedLink", "Links"]

SENT = (200, 206, 302)
"""Answers with what the link is for."""
_UNKNOWN = "there is no such link, or it was revoked"
_OVER = "this link has expired; ask for a new one"
_USED = "this link was for one download, which it has had; ask for a new one"


@dataclass(frozen=True, slots=True)
class FollowedLink:
    """A link that holds."""

    link: Link
    job: Job
    owner: Caller
    """With the rights that it has now."""


@dataclass(frozen=True, slots=True)
class Links:
    """Knows the links of all exports."""

    signer: LinkSigner
    store: JobStore
    callers: Callers
    audit: Recorder

    async def follow(self, token: str) -> FollowedLink:
        """What a link is for. Nothing is used up.

        Args:
            token: Of its address.

        Raises:
            NotFound: There is none, or it was revoked.
            Expired: It, or its export, is over.
            Forbidden: Its owner may not read it any more.
        """
        signed = self.signer.read(token)
        if signed is None:
            raise NotFound(_UNKNOWN)
        if now() >= signed.expires_at:
            raise Expired(_OVER)
        job, link = await self._found(signed.export_id, signed.link_id)
        if link.file != signed.file:
            raise NotFound(_UNKNOWN)
        if link.used_up:
            raise Expired(_USED)
        if not link.usable(now()):
            raise Expired(_OVER)
        check_runnable(job)
        return FollowedLink(link, job, self._owner(job))

    async def use(self, followed: FollowedLink, make: Callable[[], Awaitable[Response]]) -> Response:
        """Count a use, and make what is sent for it.

        Args:
            followed: The link.
            make: Makes the answer, and writes down what else is to be known of it.

        Returns:
            The answer. If it fails before it has begun, or gives nothing of the file, the link was not used.

        Raises:
            Expired: Another one has used it meanwhile.
            AuditAway: Nobody would know.
        """
        use = await count_use(self.store, followed.job, followed.link.id)
        if use is None:
            # Why not, if nobody has taken it back.
            await self.check(followed)
            raise Expired(_USED if followed.link.once else _OVER)
        try:
            answer = await make()
            if answer.status_code in SENT:
                await self.audit.link_used(followed.job, followed.link.id)
                return UsingResponse(answer, use, lambda: self.check(followed))
        except BaseException:
            await use.give_back()
            raise
        await use.give_back()
        return answer

    async def check(self, followed: FollowedLink) -> None:
        """Whether a link that was followed is still there: what it gives has waited, and may be about to begin.

        Raises:
            NotFound: It was revoked.
            Forbidden: Its owner may not read the export any more.
            PolyglotError: The export has expired or was cancelled.
        """
        job, _ = await self._found(followed.job.id, followed.link.id)
        with told_by_link():
            check_runnable(job)
        self._check_owner(job)

    def may_follow(self, followed: FollowedLink, job: Job) -> bool:
        """Whether whoever follows an export by a link may go on to do so. One that has had its one use may: it is the
        download that is followed.

        Args:
            followed: The link.
            job: Its export as it is by now.
        """
        if now() >= followed.link.expires_at or not any(link.id == followed.link.id for link in job.links):
            return False
        try:
            self._check_owner(job)
        except Forbidden:
            return False
        return True

    async def _found(self, export_id: str, link_id: str) -> tuple[Job, Link]:
        job = await self.store.get(export_id)
        link = next((each for each in job.links if each.id == link_id), None) if job is not None else None
        if job is None or link is None:
            raise NotFound(_UNKNOWN)
        return job, link

    def _owner(self, job: Job) -> Caller:
        self._check_owner(job)
        return self.callers.owner_of(job)

    def _check_owner(self, job: Job) -> None:
        try:
            rights = self.callers.rights_of_owner(job)
        except Forbidden as error:
            raise Forbidden(MAY_NOT, audit_reason=str(error)) from None
        if Scope.READ not in rights.scopes:
            raise Forbidden(MAY_NOT, audit_reason=f"its owner has lost the scope {Scope.READ.value}")
