"""How exceptions become answers: every error is problem+json, also those of the framework."""

from __future__ import annotations

import logging
from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ExceptionHandler, Receive, Scope, Send

from polyglot_export.errors import PolyglotError, SpecError
from polyglot_export.service.audit.origin import path_of
from polyglot_export.service.audit.refusals import tell_refusal
from polyglot_export.service.errors import MalformedRequest, MethodNotAllowed, NotFound, ServiceError
from polyglot_export.service.http import problems
from polyglot_export.service.http.bodies import ExactJSONResponse
from polyglot_export.service.http.private import PRIVATE
from polyglot_export.service.logs import event
from polyglot_export.service.validation import reason_of

__all__ = ["add_exception_handlers", "refuse"]

_LINKS = "/links/"

_log = logging.getLogger(__name__)


def _problem_response(request: Request, error: BaseException) -> ExactJSONResponse:
    """The answer to a request that failed."""
    status, headers, body = problems.document(error, request.url.path)
    if _LINKS in request.url.path:
        # The address is as good as a key, also where it does not work at the moment.
        headers |= PRIVATE
    return ExactJSONResponse(body, status, headers, problems.CONTENT_TYPE)


def add_exception_handlers(app: FastAPI) -> None:
    """Let every error of the application be problem+json, also those of the framework."""
    for kind, handler in (
        (PolyglotError, _on_error),
        (HTTPException, _on_http_exception),
        (RequestValidationError, _on_validation_error),
        (Exception, _on_defect),
    ):
        app.add_exception_handler(kind, cast("ExceptionHandler", handler))


async def refuse(error: PolyglotError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer in a middleware, which no handler sees, as the application does."""
    response = await _on_error(Request(scope, receive), error)
    await response(scope, receive, send)


async def _on_error(request: Request, error: PolyglotError) -> ExactJSONResponse:
    row = problems.problem_of(error)
    service = request.app.state.service
    await tell_refusal(service.audit, service.settings.trusted_proxies, request, row.status, error)
    if row.sentence is not None or row.status >= 500:
        # What the client is not told is told here.
        event(
            _log,
            logging.WARNING,
            "request failed",
            path=path_of(request),
            status=row.status,
            code=row.code,
            reason=str(error),
        )
    return _problem_response(request, error)


async def _on_http_exception(request: Request, error: HTTPException) -> ExactJSONResponse:
    """What the router raises: no such path, or not with this method."""
    known: ServiceError
    if error.status_code == 405:
        allowed = ", ".join(_allowed_methods(request))
        known = MethodNotAllowed(
            f"{request.method} is not allowed here; allowed are {allowed}", headers={"Allow": allowed}
        )
    elif error.status_code == 404:
        known = NotFound(f"there is nothing at {request.url.path}; /docs lists what there is")
    else:
        known = MalformedRequest(str(error.detail))
    return _problem_response(request, known)


def _allowed_methods(request: Request) -> list[str]:
    """The methods of every route at this path; the router itself names only those of the first."""
    routes: list[BaseRoute] = request.app.state.routes
    matching = (route for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    return sorted({method for route in matching if isinstance(route, Route) for method in route.methods or ()})


async def _on_validation_error(request: Request, error: RequestValidationError) -> ExactJSONResponse:
    """A parameter of the query string that FastAPI checked; its own answer would be 422 in a form of its own."""
    first = error.errors()[0]
    name = str(first["loc"][-1])
    return _problem_response(request, SpecError(name, f"{reason_of(first)} (got {first.get('input')!r})"))


async def _on_defect(request: Request, error: Exception) -> ExactJSONResponse:
    """Starlette raises it again afterwards, and uvicorn logs it with its traceback."""
    return _problem_response(request, error)
