"""Without keys, only requests to a loopback name are answered.

A service without keys listens to loopback addresses only. Still, a web page can make a browser on this machine send
requests to it under a name of the page's own that resolves to 127.0.0.1 (DNS rebinding), and read the answers. The
``Host`` header gives it away. What a page sends to the address itself is ``site_guard.py``'s.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from polyglot_export.service.errors import Forbidden
from polyglot_export.service.http.error_handlers import refuse

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
            error = _reason_to_refuse(Headers(scope=scope))
            if error is not None:
                await refuse(error, scope, receive, send)
                return
        await self._app(scope, receive, send)


def _reason_to_refuse(headers: Headers) -> Forbidden | None:
    host = headers.get("host", "")
    if not _LOOPBACK_HOST.fullmatch(host):
        return Forbidden(
            f"without keys only localhost, 127.0.0.1 and [::1] are answered, not the Host {host!r}", field="Host"
        )
    return None
