"""A Django project in one file, whose users download the orders of their own shop.

    DATABASE_URL=postgresql://localhost/shop gunicorn --chdir examples --worker-class gthread --threads 4 django_app
    DATABASE_URL=postgresql://localhost/shop uvicorn --app-dir examples django_app:asgi
    curl -f -u ann:ann-secret -OJ "http://127.0.0.1:8000/exports/orders.csv?since=2026-01-01"

An export that fails before its first bytes is an answer with a status of its own (400 for a wrong request, 503 when too
many run, 500 else); after them it is a broken transfer (curl: exit code 18). The same view streams under WSGI and ASGI.

gunicorn's default workers (``sync``) are killed after ``--timeout`` seconds, in the middle of a long download; those of
``gthread`` are not.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from datetime import date
from typing import Any, NamedTuple

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import path
from django.views.decorators.http import require_GET
from psycopg.conninfo import conninfo_to_dict

from polyglot_export.integrations.django import CutBroken, ExportResponse

# A project has these in its settings module.
_server = conninfo_to_dict(os.environ.get("DATABASE_URL", ""))
settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": _server.get("host", ""),
            "PORT": _server.get("port", ""),
            "NAME": _server.get("dbname", ""),
            "USER": _server.get("user", ""),
            "PASSWORD": _server.get("password", ""),
        }
    },
)
django.setup()

from django.db import models  # noqa: E402 - they need the settings


class Order(models.Model):  # type: ignore[misc]
    """In a project this is one of its models."""

    id = models.IntegerField(primary_key=True)
    shop = models.IntegerField()
    placed_on = models.DateField()
    customer = models.TextField(null=True)  # noqa: DJ001 - the table has NULL
    total = models.DecimalField(max_digits=12, decimal_places=2)

    class Meta:
        app_label = "shop"
        db_table = "orders"
        managed = False

    def __str__(self) -> str:
        return f"order {self.pk}"


class User(NamedTuple):
    """A project has ``request.user``."""

    shop: int
    password: str


USERS = {"ann": User(1, "ann-secret"), "bob": User(2, "bob-secret")}
FORMATS = ("csv", "ndjson", "parquet")


@require_GET  # type: ignore[untyped-decorator]
def download(request: HttpRequest, extension: str) -> HttpResponseBase:
    """The orders of the user's shop, and no others."""
    user = signed_in(request)
    if user is None:
        return HttpResponse("who are you?", status=401, headers={"WWW-Authenticate": "Basic"})
    if extension not in FORMATS:
        return JsonResponse({"detail": f"the formats are {', '.join(FORMATS)}"}, status=404)
    orders = Order.objects.filter(shop=user.shop).values("id", "placed_on", "customer", "total")
    if "since" in request.GET:
        try:
            orders = orders.filter(placed_on__gte=date.fromisoformat(request.GET["since"]))
        except ValueError as error:
            return JsonResponse({"detail": str(error)}, status=400)
    return ExportResponse(request, orders, format=extension, filename=f"orders.{extension}")


def signed_in(request: HttpRequest) -> User | None:
    """Who asks."""
    try:
        given = base64.b64decode(request.headers.get("Authorization", "").removeprefix("Basic ")).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    name, _, password = given.partition(":")
    user = USERS.get(name)
    return user if user is not None and secrets.compare_digest(password.encode(), user.password.encode()) else None


urlpatterns: list[Any] = [path("exports/orders.<str:extension>", download)]
application = get_wsgi_application()
asgi = CutBroken(get_asgi_application())
