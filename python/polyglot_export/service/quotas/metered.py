"""ASGI middleware that counts what goes to a caller with a limit of bytes a day, whichever route sends it."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polyglot_export.service.quotas.traffic import Meter

__all__ = ["METER", "Metered"]

METER = "polyglot.meter"
"""The key of a :class:`~polyglot_export.service.quotas.traffic.Meter` in the scope of a request, once it is known who
asks and that somebody wants to know."""


class Metered:
    """Pure ASGI; it touches neither the body nor its end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on and count the bytes of the body: before they leave, so that a client which goes away in
        the middle has had them.
        """

        async def counting(message: Message) -> None:
            meter = scope.get(METER)
            if isinstance(meter, Meter) and message["type"] == "http.response.body":
                meter.add(len(message.get("body", b"")))
            await send(message)

        await self._app(scope, receive, counting if scope["type"] == "http" else send)
