"""A body that failed must not end: what a middleware and a server would make of it is a file that looks whole.

A middleware that hands a body on (Starlette's ``BaseHTTPMiddleware``, which ``@app.middleware("http")`` makes) ends it
in good order before it raises the failure again, and daphne ends every body that its application fails in. The wrapper
is outermost, so it sees that last message, and keeps it; what it raises then makes the server cut the connection.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from polyglot_export.integrations.servers import abort

__all__ = ["CutBroken", "break_off", "is_guarded"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_KEY = "polyglot.cut"
"""In the extensions of a scope: what the wrapper and a response share."""


class _Body:
    """The body of one answer."""

    failure: BaseException | None = None


class CutBroken:
    """An ASGI application around yours; wrap it last, so that it is outermost: ``app = CutBroken(app)``.

    The body of an export that failed then never ends in good order, whatever middleware is in between. It costs nothing
    for other answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Set up.

        Args:
            app: Starlette's, FastAPI's, Django's or any other.
        """
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application.

        Raises:
            BaseException: What the application raised, or why its export failed where it did not raise that.
        """
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body()

        async def guarded(message: Message) -> None:
            if body.failure is None:
                await send(message)

        inner = {**scope, "extensions": {**(scope.get("extensions") or {}), _KEY: body}}
        try:
            await self.app(inner, receive, guarded)
        finally:
            if body.failure is not None:
                await abort(send)
        if body.failure is not None:
            raise body.failure

    def __getattr__(self, name: str) -> Any:
        """The wrapped application's: ``app.get(…)`` and ``app.state`` stay what they were."""
        return getattr(self.app, name)


def is_guarded(scope: Scope) -> bool:
    """Whether the wrapper is there."""
    return _KEY in (scope.get("extensions") or {})


def break_off(scope: Scope, failure: BaseException) -> None:
    """Nothing more of this answer is sent, its end least of all."""
    body = (scope.get("extensions") or {}).get(_KEY)
    if body is not None:
        body.failure = failure
