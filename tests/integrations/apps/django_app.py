"""A Django project in one file, for WSGI, ASGI and ``runserver``."""

from __future__ import annotations

import os
import sys
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from psycopg.conninfo import conninfo_to_dict

from polyglot_export.integrations.django import CutBroken, ExportResponse

_parts = conninfo_to_dict(os.environ["DATABASE_URL"])
if not settings.configured:
    settings.configure(
        DEBUG=False,
        SECRET_KEY="of a test",
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["*"],
        USE_TZ=True,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": _parts.get("dbname"),
                "USER": _parts.get("user"),
                "PASSWORD": _parts.get("password", ""),
                "HOST": _parts.get("host"),
                "PORT": _parts.get("port", ""),
            }
        },
    )
    django.setup()


def page(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("<p>ready")


def export(request: HttpRequest, table: str) -> ExportResponse:
    terms = request.GET.getlist("where")
    idle = float(request.GET.get("idle", "60"))
    return ExportResponse(request, table, where=terms, filename=request.GET.get("name"), idle_timeout=idle)


async def aexport(request: HttpRequest, table: str) -> ExportResponse:
    return await ExportResponse.open(request, table, idle_timeout=float(request.GET.get("idle", "60")))


urlpatterns: list[Any] = [path("", page), path("export/<str:table>", export), path("async/<str:table>", aexport)]
wsgi = get_wsgi_application()
plain = get_asgi_application()
guarded = CutBroken(get_asgi_application())

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
