"""The messages in the API's description: OpenAPI 3.1 has a place for what a service sends by itself."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header
from starlette.responses import Response

from polyglot_export.service.http.openapi import other_answer
from polyglot_export.service.webhooks.body import WebhookMessage

__all__ = ["router"]

router = APIRouter(tags=["webhooks"])
_ANSWERS: dict[int | str, dict[str, Any]] = other_answer(204, "Any status from 200 to 299: delivered") | other_answer(
    410, "The receiver wants no more; any other status is tried again"
)


@router.post("export", summary="A run has ended", status_code=204, response_class=Response, responses=_ANSWERS)
async def export_ended(
    message: WebhookMessage,
    webhook_id: Annotated[str, Header(description="The same in every attempt")],
    webhook_timestamp: Annotated[int, Header(description="Seconds since 1970, of this attempt")],
    webhook_signature: Annotated[str, Header(description="v1, and the Base64 of an HMAC-SHA256, as Standard Webhooks")],
) -> None:
    """Sent to the configured webhook that the export names (`"webhook": "NAME"`), signed as Standard Webhooks 1.0."""
