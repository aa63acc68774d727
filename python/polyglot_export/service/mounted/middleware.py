"""A middleware around the service that would hide a cut."""

from __future__ import annotations

import logging

from starlette.middleware.base import BaseHTTPMiddleware
from starlette.types import Receive, Scope

from polyglot_export.service.logs import event
from polyglot_export.service.mounted.connection import GUARD

__all__ = ["MiddlewareWatch"]

_log = logging.getLogger(__name__)


class MiddlewareWatch:
    """Warns of it, once."""

    def __init__(self) -> None:
        self._warned = False

    def look(self, scope: Scope, receive: Receive) -> None:
        """Look at what a request has come through."""
        if self._warned or GUARD in (scope.get("extensions") or {}):
            return
        listed = [each.cls for each in getattr(scope.get("app"), "user_middleware", ())]
        between = any(isinstance(each, type) and issubclass(each, BaseHTTPMiddleware) for each in listed)
        # Of an app further out only what it has put in place of the server's is seen.
        if between or getattr(receive, "__module__", "") == BaseHTTPMiddleware.__module__:
            self._warned = True
            event(
                _log,
                logging.WARNING,
                'a middleware made with @app.middleware("http") or BaseHTTPMiddleware ends an export that failed as if '
                "it were whole; wrap the app: app = CutBroken(app), from polyglot_export.integrations.fastapi",
            )
