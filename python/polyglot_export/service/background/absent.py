"""Why what a run in the background makes is not there."""

from __future__ import annotations

import math

from polyglot_export.errors import PolyglotError
from polyglot_export.jobs.job import Job, JobStatus
from polyglot_export.service.errors import NotReady, WrongState

__all__ = ["absent"]

MAX_RETRY_AFTER = 60
"""Seconds after which a client is asked to look again at the latest, however long it will take."""


def absent(job: Job, what: str) -> PolyglotError:
    """What to answer to somebody who asks for it.

    Args:
        job: Which has not made it yet, or never will.
        what: ``the file`` or ``the set of files``.
    """
    status, latest = job.status(), job.latest
    if status is JobStatus.PENDING:
        return NotReady(f"{what} of export {job.id} waits to be prepared; ask again later")
    if status is JobStatus.RUNNING:
        left = latest.eta_seconds if latest is not None else None
        retry = min(MAX_RETRY_AFTER, max(1, math.ceil(left or 0)))
        return NotReady(
            f"{what} of export {job.id} is being prepared; ask again later", headers={"Retry-After": str(retry)}
        )
    reason = latest.error.message if latest is not None and latest.error is not None else "its run made none"
    return WrongState(
        f"export {job.id} failed and has no {what.removeprefix('the ')}: {reason.removesuffix('.')}; create a new one"
        " with POST /exports"
    )
