"""A FastAPI application in the shapes that the tests compare: with a middleware of ``@app.middleware("http")`` and
without, and with the wrapper and without.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from starlette.middleware.base import BaseHTTPMiddleware

from polyglot_export.integrations.fastapi import CutBroken, ExportResponse, limits

DSN = os.environ["DATABASE_URL"]
if "LIMIT_CONNECTIONS" in os.environ:
    limits(connections=int(os.environ["LIMIT_CONNECTIONS"]))


def made(*, middleware: bool) -> FastAPI:
    """The application."""
    app = FastAPI()

    @app.get("/", response_class=HTMLResponse)
    async def page() -> str:
        return "<p>ready"

    @app.get("/export/{table}")
    async def export(table: str, where: str = "", idle: float = 60, name: str | None = None) -> Response:
        terms = (where,) if where else ()
        return ExportResponse(DSN, table, where=terms, filename=name, idle_timeout=idle)

    if middleware:

        async def pass_on(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
            answer = await call_next(request)
            answer.headers["x-between"] = "1"
            return answer

        app.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)
    return app


plain = made(middleware=False)
between = made(middleware=True)
guarded = CutBroken(made(middleware=False))
guarded_between = CutBroken(made(middleware=True))
