"""``/metrics``: the numbers of the service."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response

from polyglot_export.jobs.stores.base import StoreAway
from polyglot_export.service.dependencies import CallersDep, MetricsDep, SettingsDep, StoreDep
from polyglot_export.service.http.openapi import other_answer, problems_for

__all__ = ["router"]

router = APIRouter(tags=["metrics"])


@router.get(
    "/metrics",
    summary="Numbers for Prometheus",
    response_class=Response,
    responses=other_answer(200, "Prometheus text 0.0.4, or OpenMetrics where it is asked for") | problems_for(401, 403),
)
async def metrics(
    request: Request,
    numbers: MetricsDep,
    store: StoreDep,
    callers: CallersDep,
    settings: SettingsDep,
    accept: Annotated[str, Header()] = "",
) -> Response:
    """Any key with the scope `metrics` will do; with `POLYGLOT_METRICS_PUBLIC` none is needed."""
    if not settings.metrics_public:
        await callers.check_metrics(request)
    try:
        numbers.jobs = await store.counts()
    except StoreAway:
        numbers.jobs = None
    encode, content_type = choose_encoder(accept)
    return Response(encode(numbers.registry), headers={"Content-Type": content_type, "Cache-Control": "no-store"})
