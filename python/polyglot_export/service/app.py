"""Assembly: settings and configuration in, one ASGI application out.

Only pure ASGI middleware may be added here. Starlette's ``BaseHTTPMiddleware`` (and ``@app.middleware("http")``) sends
the last, empty part of the body before it raises again, so that every export that breaks would look complete; a test
walks the stack.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI
from starlette.types import ASGIApp

from polyglot_export.service.callers import Callers
from polyglot_export.service.config.environment import ServiceSettings
from polyglot_export.service.config.file import Configuration, load_configuration
from polyglot_export.service.container import Service, build
from polyglot_export.service.http.browsers import SafeHeaders, for_pages_of
from polyglot_export.service.http.error_handlers import add_exception_handlers
from polyglot_export.service.http.host_guard import HostGuard
from polyglot_export.service.http.openapi import describe
from polyglot_export.service.http.site_guard import SiteGuard
from polyglot_export.service.metrics import RequestCounter
from polyglot_export.service.pages import page
from polyglot_export.service.pages import router as pages
from polyglot_export.service.quotas.metered import Metered
from polyglot_export.service.routes import (
    benchmark,
    caller,
    datasets,
    download,
    events,
    exports,
    files,
    health,
    linked,
    links,
    metrics,
    one_request,
    overview,
    preview,
)
from polyglot_export.service.webhooks import openapi as webhooks

__all__ = ["create_app", "service_of"]

ROUTERS = (
    # Before the exports: the path of the benchmark would also be that of an export.
    benchmark.router,
    exports.router,
    download.router,
    files.router,
    events.router,
    links.router,
    linked.router,
    # Before the datasets, which take any path.
    one_request.router,
    preview.router,
    datasets.router,
    caller.router,
    health.router,
    metrics.router,
    overview.router,
    pages.router,
    page.router,
)
"""All calls; the first one that fits is the one that answers."""


def create_app(
    settings: ServiceSettings, configuration: Configuration | None = None, callers: Callers | None = None
) -> FastAPI:
    """The application.

    Args:
        settings: Validated settings.
        configuration: What is offered; by default what is in the file that the settings name.
        callers: Who may ask; by default the holders of its keys, or anybody where it has none.

    Raises:
        SpecError: The configuration is wrong.
    """
    service = build(settings, configuration or load_configuration(settings.config), _version(), callers)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = service.start()
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await service.close()

    app = _Application(
        title="Polyglot Export",
        version=_version(),
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.service = service
    routers = ROUTERS if settings.page == "on" else tuple(each for each in ROUTERS if each is not page.router)
    app.state.routes = [route for router in routers for route in router.routes]
    add_exception_handlers(app)
    # In an app, that is its own.
    origins = settings.cors_origins.split() if callers is None else []
    app.outermost = lambda stack: SafeHeaders(
        for_pages_of(origins, stack, credentials=settings.tls_client_ca is not None),
        settings.tls_hsts if callers is None else None,
    )
    # Always there: a reload of the configuration may bring the first key, or take the last one away.
    app.add_middleware(SiteGuard, keyless=lambda: service.callers.keyless, trusted=origins)
    app.add_middleware(HostGuard, needed=lambda: service.callers.keyless)
    app.add_middleware(RequestCounter, requests=service.metrics.requests)
    app.add_middleware(Metered)
    for router in routers:
        app.include_router(router)
    app.webhooks.include_router(webhooks.router)
    certificates = callers is None and settings.tls_client_ca is not None
    describe(app, settings.root_path, keys=callers is None, certificates=certificates)
    return app


class _Application(FastAPI):
    """FastAPI, with something around its answer to a defect too, which middleware never sees."""

    outermost: Callable[[ASGIApp], ASGIApp]

    def build_middleware_stack(self) -> ASGIApp:
        """All that a request goes through."""
        return self.outermost(super().build_middleware_stack())


def service_of(app: FastAPI) -> Service:
    """The service behind an application, for the process that runs it."""
    service: Service = app.state.service
    return service


def _version() -> str:
    try:
        return version("polyglot-export")
    except PackageNotFoundError:
        return "0"
