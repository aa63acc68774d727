"""Callers that an app knows by a login of its own."""

from __future__ import annotations

from starlette.requests import Request

from polyglot_export.access.configured import ConfiguredDatasets
from polyglot_export.access.keys import Keys
from polyglot_export.access.rights import Rights
from polyglot_export.jobs.job import Job
from polyglot_export.service.callers import UNKNOWN, Caller, Callers
from polyglot_export.service.config.file import Configuration
from polyglot_export.service.errors import Forbidden, Unauthorized
from polyglot_export.service.mounted import caller as given

__all__ = ["CALLER", "AppCallers"]

CALLER = "polyglot.caller"
"""The key of the :class:`~polyglot_export.service.callers.Caller` in the extensions of a request's scope."""


class AppCallers(Callers):
    """The app has been asked before a request comes here; for what runs by itself, each job keeps what its owner was
    allowed when it was made.
    """

    def __init__(self, configuration: Configuration, offered: ConfiguredDatasets) -> None:
        """Set up.

        Args:
            configuration: What is offered. Its keys are nobody's here.
            offered: Its datasets.
        """
        super().__init__(Keys(), offered, configuration.destinations, configuration.webhooks)
        self._offered = offered

    def __len__(self) -> int:
        return UNKNOWN

    @property
    def keyless(self) -> bool:
        """Never: who asks is always asked for."""
        return False

    async def of(self, request: Request) -> Caller:
        """Whom the app has named for this request.

        Raises:
            Unauthorized: It was not asked.
        """
        known = request.scope.get("extensions", {}).get(CALLER)
        if not isinstance(known, Caller):
            raise Unauthorized("log in first")
        return known

    def lapsed(self, caller: Caller) -> str | None:  # noqa: ARG002 - that of all callers
        """Nothing: the app is asked at the beginning of a call, and no more."""
        return None

    async def check_metrics(self, request: Request) -> None:  # noqa: ARG002 - that of all callers
        """Nobody: they are about all callers together.

        Raises:
            Forbidden: Always.
        """
        raise Forbidden("the numbers of the service are not for its callers; the setting metrics_public shows them")

    def rights_of_owner(self, job: Job) -> Rights:
        """What the owner of a job was allowed when it made it.

        Raises:
            Forbidden: The job was made with a key; or what its owner was allowed is not offered any more.
        """
        if job.rights is None or job.owner is None:
            raise Forbidden("the export was not created by a caller of this app")
        return self.still_offered(job.rights)

    def named(self, caller: given.Caller) -> Caller:
        """The caller that the app has answered with.

        Raises:
            SpecError: It was given something that the configuration does not offer.
        """
        caller.rights.check(self._offered)
        return self.with_rights(caller.name, caller.rights, asked_once=True)
