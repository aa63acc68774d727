"""Assembly: settings and configuration in, one ASGI application out.

Only pure ASGI middleware may be added here. Starlette's ``BaseHTTPMiddleware`` (and ``@app.middleware("http")``) sends
the last, empty part of the body before it raises again, so that every export that breaks would look complete; a test
walks the stack.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI

from polyglot_export.errors import PolyglotError
from polyglot_export.service.config.environment import ServiceSettings
from polyglot_export.service.config.file import load_configuration
from polyglot_export.service.container import Service
from polyglot_export.service.http.answers import add_exception_handlers
from polyglot_export.service.http.auth import HostGuard
from polyglot_export.service.http.openapi import describe
from polyglot_export.service.logs import event
from polyglot_export.service.routes import benchmark, datasets, events, exports, health, metrics, page

__all__ = ["create_app"]

_log = logging.getLogger(__name__)


def create_app(settings: ServiceSettings) -> FastAPI:
    """The application.

    Args:
        settings: Validated settings; the configuration file that they name is read here.

    Raises:
        SpecError: The configuration is wrong.
    """
    service = Service(settings, load_configuration(settings.config))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        first_look = asyncio.create_task(_look_at_database(service))
        learning = asyncio.create_task(service.connections.keep_learning(service.database))
        service.start()
        try:
            yield
        finally:
            first_look.cancel()
            learning.cancel()
            await service.close()

    app = FastAPI(
        title="Polyglot Export",
        version=_version(),
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.service = service
    add_exception_handlers(app)
    if not service.configuration.keys:
        app.add_middleware(HostGuard)
    app.state.metrics = metrics.Metrics(service, app.version)
    app.add_middleware(metrics.RequestCounter, requests=app.state.metrics.requests)
    # The benchmark's path would also fit that of an export.
    modules = (benchmark, exports, events, datasets, health, metrics, page)
    for module in modules:
        app.include_router(module.router)
    app.state.routes = [route for module in modules for route in module.router.routes]
    describe(app)
    return app


async def _look_at_database(service: Service) -> None:
    """Say at the start what every request would say: a wrong DATABASE_URL is seen at once."""
    try:
        await service.database.check()
    except PolyglotError as error:
        event(_log, logging.WARNING, "database out of reach", reason=str(error))
    else:
        event(_log, logging.INFO, "database reached")


def _version() -> str:
    try:
        return version("polyglot-export")
    except PackageNotFoundError:
        return "0"
