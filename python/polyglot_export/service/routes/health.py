"""``/health``: does the service work, is the process alive, is it ready for requests."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter

from polyglot_export.service.dependencies import AuditDep, CheckDep, DatabaseDep, RunsDep, StoreDep
from polyglot_export.service.errors import Misconfigured, ServiceStopping
from polyglot_export.service.http.answer_model import AnswerModel
from polyglot_export.service.http.bodies import ExactJSONResponse
from polyglot_export.service.http.openapi import json_answer, problems_for

__all__ = ["router"]

router = APIRouter(tags=["health"])


class HealthView(AnswerModel):
    """The service works, and so does its database."""

    status: Literal["healthy"] = "healthy"


class ReadyView(AnswerModel):
    """Whether all that is configured can run."""

    status: Literal["healthy", "degraded"] = "healthy"
    """``degraded`` where something is configured that cannot run."""
    cannot_run: tuple[str, ...] = ()
    """What that is; the log has the reasons. Where keys are configured, only of which kind, since anybody may ask."""


_HEALTHY = HealthView()


@router.get(
    "/health",
    summary="Does the service answer, and can it reach the database?",
    responses=json_answer(HealthView) | problems_for(503),
)
@router.head("/health", include_in_schema=False)
async def health(database: DatabaseDep) -> ExactJSONResponse:
    """503 when the database is out of reach."""
    await database.check()
    return ExactJSONResponse(_HEALTHY.members())


@router.get("/health/live", summary="Does the process answer?", responses=json_answer(HealthView))
@router.head("/health/live", include_in_schema=False)
async def live() -> ExactJSONResponse:
    """Always 200: when this does not answer, restarting the process is the cure."""
    return ExactJSONResponse(_HEALTHY.members())


@router.get("/health/ready", summary="Should it get requests?", responses=json_answer(ReadyView) | problems_for(503))
@router.head("/health/ready", include_in_schema=False)
async def ready(
    runs: RunsDep, store: StoreDep, database: DatabaseDep, check: CheckDep, audit: AuditDep
) -> ExactJSONResponse:
    """503 when the database or the job store is out of reach, the audit log cannot be written, nothing that is
    configured can run, or the service is being shut down.
    """
    if runs.stopping:
        raise ServiceStopping("the service is being shut down")
    audit.log.check()
    await store.check()
    await database.check()
    if not check.problems:
        return ExactJSONResponse(_HEALTHY.members())
    if check.nothing_runs:
        what = ", ".join(check.cannot_run())
        raise Misconfigured(f"nothing that is configured can run ({what}); the log says why")
    return ExactJSONResponse(ReadyView(status="degraded", cannot_run=check.cannot_run()).members())
