"""Who asks, and what each caller may read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from starlette.requests import Request

from polyglot_export.access.certificates import ClientCertificate
from polyglot_export.access.configured import ConfiguredDatasets
from polyglot_export.access.exposure import Exposure
from polyglot_export.access.issuers import Issuer
from polyglot_export.access.keys import KeyHash, Keys
from polyglot_export.access.rights import Rights
from polyglot_export.access.scopes import Scope
from polyglot_export.errors import SpecError
from polyglot_export.jobs.job import Job, now
from polyglot_export.service.config.destinations import Destinations
from polyglot_export.service.errors import Forbidden, Unauthorized
from polyglot_export.service.http.connection import EXTENSION, Connection

if TYPE_CHECKING:
    from polyglot_export.service.tokens.verify import Tokens

__all__ = ["Caller", "Callers"]

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="polyglot-export"'}
_BAD_TOKEN = {"WWW-Authenticate": 'Bearer realm="polyglot-export", error="invalid_token"'}
"""RFC 6750, section 3.1."""
DOTS_OF_A_TOKEN = 2
UNKNOWN = 1 << 31
"""As how many callers an issuer counts, or an app: nobody knows how many it has, so there is always room for another
one."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request."""

    name: str | None
    """The name of the key, which owns the jobs that it makes; ``None`` where no keys are configured."""
    exposure: Exposure
    """What this caller may read."""
    destinations: Destinations = field(default_factory=Destinations)
    """Where this caller may have exports delivered to."""
    webhooks: tuple[str, ...] = ()
    """The names of the webhooks that its exports may be told to."""
    rights: Rights = field(default_factory=Rights)
    """What the three above were made of, with role and settings for the database."""
    asked_once: bool = False
    """Whether nobody can be asked for its rights later, so that its jobs keep those that it had when it made them."""
    presented: KeyHash | None = None
    """Of several hashes of a key the one that was presented; ``None`` where none was."""

    @property
    def kept(self) -> Rights | None:
        """What its jobs keep."""
        return self.rights if self.asked_once else None

    def need(self, scope: Scope) -> None:
        """Whether it may make calls of this kind.

        Raises:
            Forbidden: It may not; the sentence names the scope.
        """
        if scope not in self.rights.scopes:
            raise Forbidden(f"this needs the scope {scope.value}, which this caller does not have")

    def may_read(self, job: Job, *offered: tuple[str, ...] | None) -> bool:
        """Whether it may read what its job has made, with the rights that it has now.

        Args:
            job: Has made it.
            offered: For each dataset, the columns that were offered then; ``None`` for all that the source had.
        """
        covered = zip(job.spec.each(), offered, strict=True)
        if not all(self.exposure.covers(spec, columns) for spec, columns in covered):
            return False
        meanings = job.made.meanings if job.made is not None else None
        if meanings is not None and meanings != tuple(map(self.exposure.meaning_of, job.spec.each())):
            return False
        under = (job.made.rights if job.made is not None else None) or job.rights
        # Where nobody noted them it may hold everything.
        return self.rights.cover(under or Rights(), job.spec)

    def check_webhook(self, name: str | None) -> None:
        """Whether an export may name this webhook.

        Raises:
            SpecError: It may not; the sentence has those that it may.
        """
        if name is not None and name not in self.webhooks:
            allowed = f"allowed are {', '.join(sorted(self.webhooks))}" if self.webhooks else "none is allowed"
            raise SpecError("webhook", f"there is no webhook {name[:40]!r} for this caller; {allowed}")


class Callers:
    """Knows every caller: the holders of the configured keys and of the tokens of the configured issuers, or anybody on
    this machine where there are neither.
    """

    def __init__(
        self,
        keys: Keys,
        exposure: Exposure,
        destinations: Destinations | None = None,
        webhooks: Iterable[str] = (),
        issuers: Mapping[str, Issuer] | None = None,
    ) -> None:
        """Set up.

        Args:
            keys: The configured ones.
            exposure: All that is offered; a caller may have a part of it.
            destinations: All that there are; a caller has only those that it lists.
            webhooks: The names of all that there are; a caller has only those that it lists.
            issuers: Whose tokens are taken.
        """
        self.apply(keys, exposure, destinations, webhooks, issuers)

    def __len__(self) -> int:
        """How many callers there may be; anybody counts as one."""
        return max(1, len(self._keys) + UNKNOWN * len(self._issuers))

    @property
    def keyless(self) -> bool:
        """Whether anybody may ask, since there are no keys and no issuers."""
        return not self._keys and not self._issuers

    def apply(
        self,
        keys: Keys,
        exposure: Exposure,
        destinations: Destinations | None = None,
        webhooks: Iterable[str] = (),
        issuers: Mapping[str, Issuer] | None = None,
    ) -> None:
        """Take a new configuration for all calls from now on."""
        self._keys, self._exposure = keys, exposure
        self._destinations, self._webhooks = destinations or Destinations(), tuple(webhooks)
        self._issuers = dict(issuers or {})
        self._tokens = _tokens(self._issuers) if self._issuers else None

    async def of(self, request: Request) -> Caller:
        """Who a request comes from.

        Raises:
            Unauthorized: Nobody who is known.
        """
        connection = (request.scope.get("extensions") or {}).get(EXTENSION)
        certificate = connection.certificate if isinstance(connection, Connection) else None
        return await self.identify(request.headers.get("authorization"), certificate)

    async def check_metrics(self, request: Request) -> None:
        """Whether a request may read the numbers of the whole service.

        Raises:
            PolyglotError: It may not.
        """
        (await self.of(request)).need(Scope.METRICS)

    async def identify(self, authorization: str | None, certificate: ClientCertificate | None = None) -> Caller:
        """Who a request comes from.

        Args:
            authorization: The header of that name. Where it is there it says who asks, and no certificate helps a key
                that is wrong: a gateway has a certificate of its own, and sends the keys of those whom it serves.
            certificate: That TLS has verified.

        Raises:
            Unauthorized: Neither a key that is configured and holds now, nor a token that is valid, nor a certificate
                with a configured name.
        """
        if self.keyless:
            return self._anybody()
        if authorization is None and certificate is not None:
            return self._of_certificate(certificate)
        scheme, _, sent = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not sent.strip():
            raise Unauthorized("send a key as Authorization: Bearer …", headers=_CHALLENGE)
        sent = sent.strip()
        # Keys have no dots, and tokens have two.
        if self._tokens is not None and sent.count(".") == DOTS_OF_A_TOKEN:
            return await self._of_token(sent, self._tokens)
        return self._of_key(sent)

    def _of_key(self, sent: str) -> Caller:
        found = self._keys.find(sent)
        problem = "the key is not known" if found is None else self._keys[found.name].problem(now(), found.hash)
        if found is None or problem is not None:
            # Whoever guesses learns nothing of keys that were there.
            raise Unauthorized("the key is not known", headers=_CHALLENGE, audit_reason=problem)
        return replace(self._holder(found.name), presented=found.hash)

    def lapsed(self, caller: Caller) -> str | None:
        """Why a caller would be refused now that was known when its call began; ``None`` where it would not."""
        if caller.name is None:
            return None if self.keyless else "the service has keys by now, and the call came without one"
        if caller.asked_once:
            # That the token itself has ended is no reason: many hold for minutes, and downloads for hours.
            known = caller.name.partition(":")[0] in self._issuers
            return None if known else "the issuer of the token is not configured any more"
        key = self._keys.get(caller.name)
        if key is None:
            return "the key is not configured any more"
        if caller.presented is None:
            return key.problem(now())
        presented = next((each for each in key.every_hash if each.hash == caller.presented.hash), None)
        return "the key is not configured any more" if presented is None else key.problem(now(), presented)

    def _of_certificate(self, certificate: ClientCertificate) -> Caller:
        names = self._keys.of_certificate(certificate.names)
        shown = ", ".join(sorted(certificate.names)) or "one without a name"
        problem: str | None = None
        if now() >= certificate.expires:
            problem = "has expired"
        elif not names:
            problem = "is of nobody who is configured"
        elif len(names) > 1:
            problem = f"fits several: {', '.join(names)}"
        else:
            problem = self._keys[names[0]].problem(now())
        if problem is not None:
            reason = f"the certificate ({shown}) {problem}"
            raise Unauthorized(
                "the certificate is of nobody who may ask; send a key as Authorization: Bearer …",
                headers=_CHALLENGE,
                audit_reason=reason,
            )
        return self._holder(names[0])

    async def _of_token(self, sent: str, tokens: Tokens) -> Caller:
        from polyglot_export.service.tokens.verify import TokenRefused

        try:
            verified = await tokens.verify(sent)
            if isinstance(self._exposure, ConfiguredDatasets):
                verified.rights.check(self._exposure)
        except TokenRefused as error:
            raise Unauthorized("the token is not valid", headers=_BAD_TOKEN, audit_reason=str(error)) from None
        except SpecError as error:
            reason = f"its claims name what is not offered: {error}"
            raise Unauthorized("the token is not valid", headers=_BAD_TOKEN, audit_reason=reason) from None
        return self.with_rights(verified.name, verified.rights, asked_once=True)

    def owner(self, name: str | None) -> Caller:
        """The owner of a job, with the rights that its key has now.

        Args:
            name: Of the key; ``None`` for a job that was made where no keys are configured.

        Raises:
            Forbidden: The key is not configured any more, or has expired.
        """
        if self.keyless and name is None:
            return self._anybody()
        return self.with_rights(name, self._rights_of_key(name))

    def owner_of(self, job: Job) -> Caller:
        """The owner of a job, with what it may do when the job runs by itself.

        Raises:
            Forbidden: As :meth:`rights_of_owner`.
        """
        if job.rights is None and job.owner is None and self.keyless:
            return self._anybody()
        return self.with_rights(job.owner, self.rights_of_owner(job), asked_once=job.rights is not None)

    def rights_of_owner(self, job: Job) -> Rights:
        """What the owner of a job may do when the job runs by itself, for who asks again and again: to narrow what is
        offered takes milliseconds where that are thousands of datasets.

        Raises:
            Forbidden: As :meth:`owner`; or the holder of a token made the job whose issuer is not configured any more,
                or an app, whose callers are not known here; or what it was allowed is not offered any more.
        """
        if job.rights is None:
            return Rights() if self.keyless and job.owner is None else self._rights_of_key(job.owner)
        issuer, _, subject = (job.owner or "").partition(":")
        if not subject or issuer not in self._issuers:
            raise Forbidden(
                "the export was created by the caller of an app, or of an issuer that is not configured now"
            )
        return self.still_offered(job.rights)

    def still_offered(self, rights: Rights) -> Rights:
        """What a caller was allowed that can be asked only once.

        Raises:
            Forbidden: That is not offered any more.
        """
        if isinstance(self._exposure, ConfiguredDatasets):
            try:
                rights.check(self._exposure)
            except SpecError as error:
                raise Forbidden(f"what the owner of the export was allowed is not offered any more: {error}") from None
        return rights

    def with_rights(self, name: str | None, rights: Rights, *, asked_once: bool = False) -> Caller:
        """A caller of this name with these rights in what is configured."""
        return Caller(
            name,
            rights.narrow(self._exposure),
            self._destinations.only(rights.destinations),
            rights.webhooks,
            rights,
            asked_once,
        )

    def _rights_of_key(self, name: str | None) -> Rights:
        if name is None or name not in self._keys:
            raise Forbidden("the key that created the export is not configured any more")
        if (problem := self._keys[name].problem(now())) is not None:
            raise Forbidden(f"of what created the export {problem}")
        return self._keys[name].rights

    def _holder(self, name: str) -> Caller:
        return self.with_rights(name, self._keys[name].rights)

    def _anybody(self) -> Caller:
        return Caller(None, self._exposure, self._destinations, self._webhooks)


def _tokens(issuers: Mapping[str, Issuer]) -> Tokens:
    from polyglot_export.service.tokens.verify import Tokens

    return Tokens(issuers)
