"""Links that are followed: whose export they are for, and what its owner may read now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from starlette.responses import Response
from starlette.types import Message, Receive, Send
from starlette.types import Scope as AsgiScope

from polyglot_export.access.scopes import Scope
from polyglot_export.jobs.job import Job, now
from polyglot_export.jobs.links import Link, with_use, without_use
from polyglot_export.jobs.stores.base import JobStore
from polyglot_export.service.audit.recorder import Recorder
from polyglot_export.service.callers import Caller, Callers
from polyglot_export.service.errors import Expired, Forbidden, NotFound
from polyglot_export.service.links.signer import LinkSigner
from polyglot_export.service.replicas.runs import check_runnable

__all__ = ["FollowedLink", "Links"]

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
        job = await self.store.get(signed.export_id)
        link = next((each for each in job.links if each.id == signed.link_id), None) if job is not None else None
        if job is None or link is None or link.file != signed.file:
            raise NotFound(_UNKNOWN)
        if link.used_up:
            raise Expired(_USED)
        if not link.usable(now()):
            raise Expired(_OVER)
        check_runnable(job)
        return FollowedLink(link, job, self._owner(job))

    async def use(
        self, followed: FollowedLink, answer: Response, tell: Callable[[], Awaitable[None]] | None = None
    ) -> Response:
        """Count a use, before a byte is sent.

        Args:
            followed: The link.
            answer: What is sent.
            tell: Writes down what else is to be known of it.

        Returns:
            The answer. If it fails before it has begun, the link was not used.

        Raises:
            Expired: Another one has used it meanwhile.
            AuditAway: Nobody would know.
        """
        at = now()
        used: list[bool] = []

        def change(job: Job) -> Job:
            links = with_use(job.links, followed.link.id, at)
            used[:] = [links is not None]
            return job if links is None else replace(job, links=links)

        if await self.store.update(followed.job.id, change) is None:
            raise NotFound(_UNKNOWN)
        if not used[0]:
            raise Expired(_USED if followed.link.once else _OVER)
        try:
            await self.audit.link_used(followed.job, followed.link.id)
            if tell is not None:
                await tell()
        except BaseException:
            await self.give_back(followed)
            raise
        return _Used(answer, self, followed)

    async def give_back(self, followed: FollowedLink) -> None:
        """A use came to nothing."""
        link_id = followed.link.id
        await self.store.update(followed.job.id, lambda job: replace(job, links=without_use(job.links, link_id)))

    def _owner(self, job: Job) -> Caller:
        try:
            owner = self.callers.owner_of(job)
            owner.need(Scope.READ)
        except Forbidden as error:
            raise Forbidden(
                "whoever made this link may not read the export any more", audit_reason=str(error)
            ) from None
        return owner


class _Used(Response):
    """An answer that uses a link up, if it begins."""

    def __init__(self, answer: Response, links: Links, followed: FollowedLink) -> None:
        super().__init__(status_code=answer.status_code)
        self._answer, self._links, self._followed = answer, links, followed

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Send it."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._answer(scope, receive, noted)
        finally:
            # Also where the client has left while its download waited for its turn, which is no error.
            if not begun:
                await self._links.give_back(self._followed)
