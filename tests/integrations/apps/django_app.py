"""A Django project in one file, for WSGI, ASGI and ``runserver``, with an admin."""

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

from polyglot_export.integrations.django import CutBroken, ExportAdminMixin, ExportResponse

_parts = conninfo_to_dict(os.environ.get("DATABASE_URL", ""))
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
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
        ],
        MIDDLEWARE=[
            "django.middleware.gzip.GZipMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
    )
    django.setup()

from django.contrib import admin  # noqa: E402 - needs the settings
from django.db import models  # noqa: E402

site = admin.site


class Order(models.Model):  # type: ignore[misc]
    """The table of the tests."""

    id = models.IntegerField(primary_key=True)
    placed_on = models.DateField()
    customer = models.TextField(null=True)  # noqa: DJ001
    total = models.DecimalField(max_digits=12, decimal_places=2)

    class Meta:
        app_label = "auth"
        managed = False
        db_table = "orders"
        verbose_name_plural = "orders"

    def __str__(self) -> str:
        return str(self.pk)


class OrderAdmin(ExportAdminMixin, admin.ModelAdmin):  # type: ignore[misc]
    """As a project would write it."""

    list_display = ("id", "customer")
    list_filter = ("placed_on",)
    ordering = ("-id",)


if not site.is_registered(Order):
    site.register(Order, OrderAdmin)


def page(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("<p>ready")


def export(request: HttpRequest, table: str) -> ExportResponse:
    terms = request.GET.getlist("where")
    idle = float(request.GET.get("idle", "60"))
    return ExportResponse(request, table, where=terms, filename=request.GET.get("name"), idle_timeout=idle)


async def aexport(request: HttpRequest, table: str) -> ExportResponse:
    return await ExportResponse.open(request, table, idle_timeout=float(request.GET.get("idle", "60")))


urlpatterns: list[Any] = [
    path("", page),
    path("export/<str:table>", export),
    path("async/<str:table>", aexport),
    path("admin/", site.urls),
]
wsgi = get_wsgi_application()
plain = get_asgi_application()
guarded = CutBroken(get_asgi_application())

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
