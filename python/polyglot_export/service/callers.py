"""Who asks, and what each caller may read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.requests import Request

from polyglot_export.access.exposure import Exposure
from polyglot_export.access.keys import Keys
from polyglot_export.access.rights import Rights
from polyglot_export.access.scopes import Scope
from polyglot_export.errors import SpecError
from polyglot_export.jobs.job import Job, now
from polyglot_export.service.config.destinations import Destinations
from polyglot_export.service.errors import Forbidden, Unauthorized

__all__ = ["Caller", "Callers"]

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="polyglot-export"'}


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
        return job.rights is None or self.rights.cover(job.rights, job.spec)

    def check_webhook(self, name: str | None) -> None:
        """Whether an export may name this webhook.

        Raises:
            SpecError: It may not; the sentence has those that it may.
        """
        if name is not None and name not in self.webhooks:
            allowed = f"allowed are {', '.join(sorted(self.webhooks))}" if self.webhooks else "none is allowed"
            raise SpecError("webhook", f"there is no webhook {name[:40]!r} for this caller; {allowed}")


class Callers:
    """Knows every caller: the holders of the configured keys, or anybody on this machine where there are none."""

    def __init__(
        self,
        keys: Keys,
        exposure: Exposure,
        destinations: Destinations | None = None,
        webhooks: Iterable[str] = (),
    ) -> None:
        """Set up.

        Args:
            keys: The configured ones.
            exposure: All that is offered; a key may narrow it.
            destinations: All that there are; a key has only those that it lists.
            webhooks: The names of all that there are; a key has only those that it lists.
        """
        self.apply(keys, exposure, destinations, webhooks)

    def __len__(self) -> int:
        """How many callers there are; anybody counts as one."""
        return max(1, len(self._keys))

    @property
    def keyless(self) -> bool:
        """Whether anybody may ask, since there are no keys."""
        return not self._keys

    def apply(
        self,
        keys: Keys,
        exposure: Exposure,
        destinations: Destinations | None = None,
        webhooks: Iterable[str] = (),
    ) -> None:
        """Take a new configuration for all calls from now on."""
        self._keys, self._exposure = keys, exposure
        self._destinations, self._webhooks = destinations or Destinations(), tuple(webhooks)

    def of(self, request: Request) -> Caller:
        """Who a request comes from.

        Raises:
            Unauthorized: Nobody who is known.
        """
        return self.identify(request.headers.get("authorization"))

    def check_metrics(self, request: Request) -> None:
        """Whether a request may read the numbers of the whole service.

        Raises:
            PolyglotError: It may not.
        """
        self.of(request).need(Scope.METRICS)

    def identify(self, authorization: str | None) -> Caller:
        """Who a request comes from.

        Args:
            authorization: The header of that name.

        Raises:
            Unauthorized: No key, or none that is configured and holds now.
        """
        if not self._keys:
            return self._anybody()
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized("send a key as Authorization: Bearer …", headers=_CHALLENGE)
        found = self._keys.find(token.strip())
        problem = "the key is not known" if found is None else self._keys[found.name].problem(now(), found.hash)
        if found is None or problem is not None:
            # Whoever guesses learns nothing of keys that were there.
            raise Unauthorized("the key is not known", headers=_CHALLENGE, audit_reason=problem)
        return self._holder(found.name)

    def owner(self, name: str | None) -> Caller:
        """The owner of a job, with the rights that its key has now.

        Args:
            name: Of the key; ``None`` for a job that was made where no keys are configured.

        Raises:
            Forbidden: The key is not configured any more, or has expired.
        """
        if not self._keys and name is None:
            return self._anybody()
        if name is None or name not in self._keys:
            raise Forbidden("the key that created the export is not configured any more")
        if (problem := self._keys[name].problem(now())) is not None:
            raise Forbidden(f"of what created the export {problem}")
        return self._holder(name)

    def owner_of(self, job: Job) -> Caller:
        """The owner of a job, with what it may do when the job runs by itself.

        Raises:
            Forbidden: As :meth:`owner`; or an app made the job, whose callers are not known here.
        """
        if job.rights is not None:
            raise Forbidden("the export was created by the caller of an app, and this is none")
        return self.owner(job.owner)

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

    def _holder(self, name: str) -> Caller:
        return self.with_rights(name, self._keys[name].rights)

    def _anybody(self) -> Caller:
        return Caller(None, self._exposure, self._destinations, self._webhooks)
