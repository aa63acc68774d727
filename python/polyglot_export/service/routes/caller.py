"""``/caller``: who asks, what they may do, and how much of what they may have is used."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter

from polyglot_export.access.limits import Limits
from polyglot_export.service.dependencies import CallerDep, QuotasDep
from polyglot_export.service.http.answer_model import AnswerModel
from polyglot_export.service.http.bodies import ExactJSONResponse
from polyglot_export.service.http.openapi import json_answer, problems_for
from polyglot_export.service.quotas.quotas import Usage

__all__ = ["router"]

router = APIRouter(tags=["callers"])


class LimitsView(AnswerModel):
    """What the caller may have; `null` where only the fair share of all callers holds."""

    exports: int | None
    connections: int | None
    waiting: int | None
    prepared_bytes: int | None
    requests_per_minute: int | None
    bytes_per_day: int | None


class UsedView(AnswerModel):
    """What is used of it, by all replicas together; `null` where there is no such limit."""

    exports: int | None
    waiting: int | None
    prepared_bytes: int | None
    bytes_per_day: int | None


class CallerView(AnswerModel):
    """A caller as the service knows it."""

    name: str | None
    """`null` where no keys are configured."""
    scopes: list[str]
    destinations: list[str]
    """Where it may have exports delivered to."""
    limits: LimitsView
    used: UsedView


@router.get(
    "/caller",
    summary="Show who asks",
    responses=json_answer(CallerView) | problems_for(401, 429, 503),
)
async def show(caller: CallerDep, quotas: QuotasDep) -> ExactJSONResponse:
    """The name under which the service knows the caller of this request, the scopes and limits that it has, and what is
    used of the limits. `GET /datasets` has what it may read.
    """
    return ExactJSONResponse(
        CallerView(
            name=caller.name,
            scopes=[scope.value for scope in caller.rights.scopes],
            destinations=sorted(caller.destinations),
            limits=_limits(caller.rights.limits),
            used=_used(await quotas.usage(caller)),
        ).members()
    )


def _limits(limits: Limits) -> LimitsView:
    return LimitsView(**asdict(limits))


def _used(usage: Usage) -> UsedView:
    return UsedView(**asdict(usage))
