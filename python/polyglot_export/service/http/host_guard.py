"""Without keys, only requests to a loopback name are answered.

A service without keys listens to loopback addresses only. Still, a web page can make a browser on this machine send
requests to it, under a name of the page's own that resolves to 127.0.0.1 (DNS rebinding). The ``Host`` header gives
such a request away.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from polyglot_export.service.errors import Forbidden
from polyglot_export.service.http import problems
from polyglot_export.service.http.bodies import ExactJSONResponse

__all__ = ["HostGuard"]

_LOOPBACK_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)


class HostGuard:
    """ASGI middleware; see the module's docstring."""

    def __init__(self, app: ASGIApp, needed: Callable[[], bool]) -> None:
        self._app = app
        self._needed = needed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403."""
        if scope["type"] == "http" and self._needed():
            host = Headers(scope=scope).get("host", "")
            if not _LOOPBACK_HOST.fullmatch(host):
                await _refusal(host, scope["path"])(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _refusal(host: str, path: str) -> ExactJSONResponse:
    error = Forbidden(
        f"without keys only localhost, 127.0.0.1 and [::1] are answered, not the Host {host!r}", field="Host"
    )
    status, headers, body = problems.document(error, path)
    return ExactJSONResponse(body, status, headers, problems.CONTENT_TYPE)
