"""Who was not let in: the event of a request that is answered with 401, 403 or 429."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeGuard

from starlette.requests import Request

from polyglot_export.errors import PolyglotError
from polyglot_export.service.audit.events import RequestRefused
from polyglot_export.service.audit.origin import address_of, path_of, without_token
from polyglot_export.service.audit.recorder import Recorder
from polyglot_export.text.networks import Network

__all__ = ["TellRefusal", "tell_refusal"]

TellRefusal = Callable[[Request, int, PolyglotError], Awaitable[None]]
"""Of a request, the status of its answer, and why."""
Refused = Literal[401, 403, 429]


async def tell_refusal(
    audit: Recorder, proxies: Sequence[Network], request: Request, status: int, error: PolyglotError
) -> None:
    """Tell the audit log of a request that is about to be refused; of any other answer, nothing.

    Args:
        audit: Of the service.
        proxies: Networks whose word on addresses is believed.
        request: What is refused.
        status: Of the answer.
        error: Why; its ``audit_reason`` is more than the client is told.
    """
    if not _is_refused(status):
        return
    await audit.refused(
        RequestRefused(
            caller=getattr(request.state, "caller", None),
            address=address_of(request, proxies),
            export_id=without_token(export_id) if (export_id := request.path_params.get("export_id")) else None,
            status=status,
            reason=getattr(error, "audit_reason", None) or str(error),
            method=request.method,
            path=path_of(request),
        )
    )


def _is_refused(status: int) -> TypeGuard[Refused]:
    return status in (401, 403, 429)
