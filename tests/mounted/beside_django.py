"""The service beside a Django project, as ``docs/howto/mounting.md`` has it; its login is the project's session."""

from __future__ import annotations

import json
import os
from importlib import import_module

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

from polyglot_export.integrations import Caller, asgi

GIVEN = json.loads(os.environ["MOUNTED"])
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of this test",
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
)
django.setup()
SessionStore = import_module(settings.SESSION_ENGINE).SessionStore


def log_in(request: HttpRequest, name: str) -> HttpResponse:
    """A view of the project."""
    request.session["name"] = name
    return HttpResponse(f"hello {name}")


urlpatterns = [path("log-in/<name>", log_in)]


def caller(request: Request) -> Caller | None:
    """Who has logged in there."""
    session = SessionStore(request.cookies.get(settings.SESSION_COOKIE_NAME))
    return Caller(name=session["name"], datasets=["people"]) if "name" in session else None


exports = asgi(GIVEN["config"], caller=caller, **GIVEN["settings"])
application = Starlette(
    routes=[Mount("/data", exports), Mount("/", get_asgi_application())],
    lifespan=exports.lifespan,
)
