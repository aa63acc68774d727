"""``/overview``: what the service does now, for who sees the exports of all."""

from __future__ import annotations

from fastapi import APIRouter, Request

from polyglot_export.access.scopes import Scope
from polyglot_export.service.container import Service
from polyglot_export.service.dependencies import needs
from polyglot_export.service.http.answer_model import AnswerModel
from polyglot_export.service.http.bodies import ExactJSONResponse
from polyglot_export.service.http.openapi import json_answer, problems_for

__all__ = ["router"]

router = APIRouter(tags=["service"])


class Part(AnswerModel):
    """How much of something is used."""

    used: int
    limit: int


class OverviewView(AnswerModel):
    """What this process does now; exports are those of all replicas."""

    version: str
    exports: dict[str, int]
    """How many are `running`, `idle` (they wait for a download, or have ended) and `expired`."""
    waiting: int
    """Exports in the background that wait for their turn."""
    memory: Part
    """Bytes for exports."""
    connections: Part
    """To the database, of the workers of exports."""
    clients: Part
    """Connections of clients."""
    callers: int
    """That may ask; many where nobody knows."""


@router.get(
    "/overview",
    dependencies=[needs(Scope.LIST_ALL)],
    summary="Show what the service does",
    responses=json_answer(OverviewView) | problems_for(401, 403, 429, 503),
)
async def show(request: Request) -> ExactJSONResponse:
    """Load, memory, connections and queue, for an administrator (scope `list-all`)."""
    service: Service = request.app.state.service
    return ExactJSONResponse(
        OverviewView(
            version=service.version,
            exports=await service.store.counts(),
            waiting=service.preparations.queued,
            memory=Part(used=service.budget.reserved, limit=service.budget.capacity),
            connections=Part(used=service.budget.workers, limit=service.connections.limit),
            clients=Part(used=len(service.clients), limit=service.clients.limit),
            callers=len(service.callers),
        ).members()
    )
