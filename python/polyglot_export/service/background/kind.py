"""What an export in the background may leave: each delivery but the stream is a kind."""

from __future__ import annotations

from typing import Protocol

from polyglot_export.jobs.job import Job, Made
from polyglot_export.service.admission.opening import Admitted
from polyglot_export.service.replicas.active import ActiveRun

__all__ = ["Kind"]


class Kind(Protocol):
    """One kind. Methods belong to the event loop's thread."""

    async def check_room(self, job: Job) -> None:
        """See that there is room for what the job makes; asked when it is created, and again before it begins.

        Raises:
            PolyglotError: There is none, or its place is not there any more.
        """

    def held_bytes(self, job: Job) -> int:
        """Memory that making it takes, beside that of the export."""

    async def make(self, active: ActiveRun, admitted: Admitted) -> Made:
        """Run the export. When the task is cancelled, nothing runs any more once this has returned.

        Raises:
            PolyglotError: It failed; nothing is left of it.
        """

    async def take_back(self, active: ActiveRun) -> None:
        """Remove what a run has made after all: another replica makes it anew."""

    def settled(self, active: ActiveRun) -> None:
        """What became of the run is recorded, or will never be."""

    async def forget(self, job: Job) -> None:
        """The job is forgotten."""
