"""The service as an ASGI application inside of another one.

What ``polyglot serve`` does for its process is the app's and its server's here: sockets, connections, signals and the
log. What is left is the same application, with the app's login in place of keys.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from polyglot_export.errors import InternalError, SpecError
from polyglot_export.service.app import create_app, service_of
from polyglot_export.service.audit.refusals import tell_refusal
from polyglot_export.service.callers import Caller as KnownCaller
from polyglot_export.service.errors import Unauthorized
from polyglot_export.service.http import problems
from polyglot_export.service.http.bodies import ExactJSONResponse
from polyglot_export.service.http.connection import EXTENSION
from polyglot_export.service.logs import event
from polyglot_export.service.mounted.caller import Caller
from polyglot_export.service.mounted.callers import CALLER, AppCallers
from polyglot_export.service.mounted.connection import AppConnection
from polyglot_export.service.mounted.middleware import MiddlewareWatch
from polyglot_export.service.mounted.settings import Config, offered_by, read_config, read_settings

__all__ = ["CallerOf", "MountedService", "asgi"]

CallerOf: TypeAlias = Callable[[Request], "Caller | Awaitable[Caller | None] | None"]
"""Who sends a request; ``None`` for nobody who is known. A plain function is called in a thread."""

FOR_ANYBODY = ("/health", "/docs", "/openapi.json", "/metrics", "/links", "/page")
"""Paths for which the app is not asked who calls. They tell nothing of the data; ``/metrics`` is closed by itself,
and a link says by itself who has made it."""

_log = logging.getLogger(__name__)


def asgi(config: Config = None, *, caller: CallerOf, **settings: Any) -> MountedService:
    """Make the whole service a part of an app: ``app.mount("/data", polyglot_export.integrations.asgi(…))``.

    It begins and ends with the app: give the app its ``lifespan``, or enter it in the app's own.

    Args:
        config: The path of a ``polyglot.toml``, or its content as a dictionary; without it the file that ``polyglot
            serve`` would read. It must have datasets; its keys are not used.
        caller: Says who sends a request, from the app's own login. It gets the request without its body. ``None``
            answers 401; what it raises is the app's own answer.
        settings: As ``polyglot serve`` reads them from its environment, which is read here too: ``database_url``,
            ``memory_limit`` and so on.

    Raises:
        SpecError: The configuration or a setting is wrong.
    """
    return MountedService(config, caller, settings)


class MountedService:
    """An ASGI application; see :func:`asgi`."""

    def __init__(self, config: Config, caller: CallerOf, settings: dict[str, Any]) -> None:
        """Read everything, so that an app with a wrong configuration does not start."""
        if not callable(caller):
            raise TypeError(f"caller must be a function of the request, not {caller!r}")
        self._settings = read_settings(settings)
        self._configuration = read_config(config, self._settings)
        self._offered = offered_by(self._configuration)
        self._caller_of = caller
        self._middleware = MiddlewareWatch()
        self._callers: AppCallers | None = None
        self._app: FastAPI | None = None

    def lifespan(self, app: object = None) -> AbstractAsyncContextManager[None]:  # noqa: ARG002 - Starlette's signature
        """From the beginning to the end of the service, for ``FastAPI(lifespan=…)`` or for a lifespan of the app's own:
        ``async with exports.lifespan(): yield``.

        Raises:
            SpecError: The process cannot run what is configured.
            RuntimeError: It runs already.
        """
        return self._running()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        Raises:
            RuntimeError: The service has not begun.
            InternalError: The app's function has given rights that mean nothing.
            BrokenTransfer: An answer was cut, and the server must show it.
            Exception: What the app's function has raised.
        """
        match scope["type"]:
            case "lifespan":
                await Router(lifespan=self.lifespan)(scope, receive, send)
            case "http":
                await self._answer(scope, receive, send)
            case _:
                await send({"type": "websocket.close", "code": 1000})

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        if self._app is not None:
            raise RuntimeError("the exports run already: their lifespan was entered twice")
        callers = AppCallers(self._configuration, self._offered)
        # Now and not before: what the app itself has in memory by now is not for exports.
        app = create_app(self._settings, self._configuration, callers)
        service = service_of(app)
        if service.spool.configured:
            service.spool.open()
        if self._configuration.keys:
            event(_log, logging.WARNING, "keys of the configuration are not used: the app says who calls")
        async with app.router.lifespan_context(app):
            self._callers, self._app = callers, app
            try:
                yield
            finally:
                self._callers = self._app = None
                service.runs.refuse_new()
                service.preparations.stop()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        app, callers = self._app, self._callers
        if app is None or callers is None:
            raise RuntimeError(
                "the exports have not begun: give the app their lifespan, FastAPI(lifespan=exports.lifespan), or enter "
                "it in the app's own, async with exports.lifespan()"
            )
        self._middleware.look(scope, receive)
        connection = AppConnection(scope, receive, send)
        extensions = {**(scope.get("extensions") or {}), EXTENSION: connection}
        if not _path(scope).startswith(FOR_ANYBODY):
            known = await self._known(scope, callers)
            if known is None:
                await self._refuse(app, scope, receive, send)
                return
            extensions[CALLER] = known
        await app({**scope, "extensions": extensions}, connection.receive, connection.send)
        connection.check()

    async def _known(self, scope: Scope, callers: AppCallers) -> KnownCaller | None:
        try:
            given = await _asked(self._caller_of, scope)
            return callers.named(given) if given is not None else None
        except SpecError as error:
            # Many apps answer this error with its sentence, as the mistake of a request that it is elsewhere.
            raise InternalError(f"the rights that the app gives a caller: {error}") from error

    async def _refuse(self, app: FastAPI, scope: Scope, receive: Receive, send: Send) -> None:
        # Which scheme of authentication an app has is not known here: an app that wants to say raises its own 401.
        error = Unauthorized("log in first", audit_reason="the app knows no caller of the request")
        status, headers, body = problems.document(error, scope["path"])
        audit = service_of(app).audit
        await tell_refusal(audit, self._settings.trusted_proxies, Request(scope), status, error)
        await ExactJSONResponse(body, status, headers, problems.CONTENT_TYPE)(scope, receive, send)


async def _asked(caller_of: CallerOf, scope: Scope) -> Caller | None:
    """Whom the app names. Its function cannot take the body away from the call that reads it.

    Raises:
        TypeError: It has answered something else.
    """
    request = Request(scope)
    if inspect.iscoroutinefunction(caller_of) or inspect.iscoroutinefunction(getattr(caller_of, "__call__", None)):  # noqa: B004
        given = caller_of(request)
    else:
        given = await run_in_threadpool(caller_of, request)
    if inspect.isawaitable(given):
        given = await given
    if given is not None and not isinstance(given, Caller):
        raise TypeError(f"the function of the caller must return a Caller or None, not {type(given).__name__}")
    return given


def _path(scope: Scope) -> str:
    """The path below the mount, as Starlette's router sees it."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if root and path.startswith(f"{root}/") else path
