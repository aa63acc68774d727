"""The configured webhooks that are in force, and who may use which."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from polyglot_export.jobs.job import Job
from polyglot_export.service.errors import Forbidden
from polyglot_export.service.webhooks.configured import Webhook

__all__ = ["Receivers"]


class Receivers:
    """The webhooks by their names; a reload of the configuration puts others in their place."""

    def __init__(self, webhooks: Mapping[str, Webhook], names_of: Callable[[Job], tuple[str, ...]]) -> None:
        """Set up.

        Args:
            webhooks: The configured ones.
            names_of: Which of them the owner of a job may use now; raises Forbidden where its key is gone.
        """
        self._webhooks = webhooks
        self._names_of = names_of

    def apply(self, webhooks: Mapping[str, Webhook]) -> None:
        """Take a new configuration for all attempts from now on."""
        self._webhooks = webhooks

    def of(self, job: Job) -> Webhook:
        """The webhook of a job.

        Raises:
            Forbidden: Its owner may not use it any more, or there is none of that name any more.
        """
        name = job.spec.webhook or ""
        webhook = self._webhooks.get(name)
        if webhook is None:
            raise Forbidden(f"the webhook {name!r} is not configured any more")
        if name not in self._names_of(job):
            raise Forbidden(f"the caller who created the export may not use the webhook {name!r} any more")
        return webhook
