"""Who asks, and what each caller may read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from polyglot_export.access.exposure import Exposure
from polyglot_export.access.keys import Keys
from polyglot_export.errors import SpecError
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

    def identify(self, authorization: str | None) -> Caller:
        """Who a request comes from.

        Args:
            authorization: The header of that name.

        Raises:
            Unauthorized: No key, or none that is configured.
        """
        if not self._keys:
            return self._anybody()
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized("send a key as Authorization: Bearer …", headers=_CHALLENGE)
        name = self._keys.find(token.strip())
        if name is None:
            raise Unauthorized("the key is not known", headers=_CHALLENGE)
        return self._holder(name)

    def owner(self, name: str | None) -> Caller:
        """The owner of a job, with the rights that its key has now.

        Args:
            name: Of the key; ``None`` for a job that was made where no keys are configured.

        Raises:
            Forbidden: The key is not configured any more.
        """
        if not self._keys and name is None:
            return self._anybody()
        if name is None or name not in self._keys:
            raise Forbidden("the key that created the export is not configured any more")
        return self._holder(name)

    def _holder(self, name: str) -> Caller:
        key = self._keys[name]
        return Caller(name, key.narrow(self._exposure), self._destinations.only(key.destinations), key.webhooks)

    def _anybody(self) -> Caller:
        return Caller(None, self._exposure, self._destinations, self._webhooks)
