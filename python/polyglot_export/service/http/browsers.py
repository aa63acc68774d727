"""What browsers are told with every answer: how to take it, and the pages of which origins may read it.

Outermost, so that errors have it too. Pure ASGI: what is added is added to the head, and no body is touched.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polyglot_export.service.errors import Forbidden
from polyglot_export.service.http import problems
from polyglot_export.service.http.bodies import ExactJSONResponse

__all__ = ["SafeHeaders", "for_pages_of"]

METHODS = ("GET", "HEAD", "POST", "DELETE")
SENT = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "If-Range",
    "Last-Event-ID",
    "Range",
)
"""What a script may send beside the headers that every page may."""
READ = (
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Export-Id",
    "X-Export-Snapshot",
)
"""What it may read of an answer beside the headers that every page may."""
PREFLIGHT_SECONDS = 7200
"""Time that a browser need not ask again: the most that Chromium allows."""
ANY = "*"


class SafeHeaders:
    """ASGI middleware: nothing that is data is taken for a page or script, and HTTPS stays HTTPS."""

    def __init__(self, app: ASGIApp, hsts: float | None = None) -> None:
        """Set up.

        Args:
            app: What answers.
            hsts: Seconds for which browsers are to use HTTPS alone (RFC 6797); ``None`` for not telling them.
        """
        self._app = app
        self._hsts = f"max-age={hsts:.0f}" if hsts is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add to the head of the answer."""
        if scope["type"] == "http":
            send = partial(self._send, send)
        await self._app(scope, receive, send)

    async def _send(self, send: Send, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Content-Type-Options"] = "nosniff"
            # The address of a link is as good as a key, and no page needs to know any other either.
            headers["Referrer-Policy"] = "no-referrer"
            if self._hsts is not None:
                headers["Strict-Transport-Security"] = self._hsts
        await send(message)


def for_pages_of(origins: Collection[str], app: ASGIApp, *, credentials: bool) -> ASGIApp:
    """Let scripts of these origins read the answers (Fetch, section 3.2).

    Args:
        origins: As browsers write them, or ``*`` alone; without any nothing changes.
        app: What answers.
        credentials: Whether browsers may show their user's certificate for them. Never for ``*``.
    """
    if not origins:
        return app
    return _Cors(
        app,
        allow_origins=origins,
        allow_methods=METHODS,
        allow_headers=SENT,
        allow_credentials=credentials and ANY not in origins,
        # A page of the internet that is trusted may reach a service of the own network.
        allow_private_network=ANY not in origins,
        expose_headers=READ,
        max_age=PREFLIGHT_SECONDS,
    )


class _Cors(CORSMiddleware):
    """Starlette's, with errors as they are everywhere."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to a browser that asks before it sends a script's request."""
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        origin = request_headers["origin"]
        reason = (
            f"scripts of {origin[:100]} may not use this service; POLYGLOT_CORS_ORIGINS names those that may"
            if not self.is_allowed_origin(origin)
            else f"scripts may use the methods {', '.join(METHODS)} and send the headers {', '.join(SENT)}"
        )
        status, headers, body = problems.document(Forbidden(reason, field="Origin"))
        headers |= {name: value for name, value in response.headers.items() if name.startswith(("access-", "vary"))}
        return ExactJSONResponse(body, status, headers, problems.CONTENT_TYPE)
