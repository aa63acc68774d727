"""Exports as downloads of a Django project, in one file to be read; the views are what a project takes over.

    DATABASE_URL=postgresql://localhost/shop gunicorn --chdir examples --worker-class gthread --threads 4 django_app
    curl -f -OJ "http://127.0.0.1:8000/exports/orders.csv?since=2026-01-01"

What a client sees of an export that fails:

- Before its first bytes: an answer with a status of its own (400 for a wrong request, 500 else). That is why the
  export is opened, and its first chunk taken, before the response is made.
- After them: a broken transfer (curl: exit code 18). When the iterator raises, gunicorn closes the connection without
  the chunk that ends a body.

What does not show it, or does not stream:

- HTTP/1.0 has no chunked bodies: there a cut looks like the end. Such requests are refused. A proxy in front must speak
  HTTP/1.1 to the application (nginx: ``proxy_http_version 1.1``).
- ``manage.py runserver``, which is for development: it ends a body that failed as if it were whole.
- gunicorn's default workers (``sync``) are killed after ``--timeout`` seconds, in the middle of a long download;
  those of ``gthread`` are not.
- ASGI: Django would read the whole body of a synchronous view before it sends any of it. There the view is
  ``async``, with ``aexport`` in an asynchronous generator.

A client that leaves is noticed at the next chunk that is written; then the server calls ``close``, which ends the
queries.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import path

from polyglot_export import Export, SpecError, export

DSN = os.environ.get("DATABASE_URL")
SOURCES = {"orders": ("public.orders", "placed_on")}
"""What may be exported: the name in the URL, with the table (or view) and the day that it can be filtered by."""
MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
IDLE_SECONDS = 60
"""A client that takes nothing for so long is given up: its export holds connections and a snapshot of the database."""

# A project has these in its settings module.
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1", "localhost"], USE_TZ=True)


def download(request: HttpRequest, name: str, extension: str) -> HttpResponse | JsonResponse | StreamingHttpResponse:
    """Stream an export. The path has the format, so that the browser's file has the right name."""
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    if request.META["SERVER_PROTOCOL"] == "HTTP/1.0":
        return HttpResponse("a stream needs HTTP/1.1", status=426, headers={"Upgrade": "HTTP/1.1"})
    if name not in SOURCES or extension not in MEDIA_TYPES:
        raise Http404
    table, day = SOURCES[name]
    try:
        since = request.GET.get("since")
        terms = [] if since is None else [{"column": day, "op": ">=", "value": date.fromisoformat(since).isoformat()}]
        body = Body(export(DSN, table, format=extension, filter=terms, idle_timeout=IDLE_SECONDS))
    except SpecError as error:
        # The sentence names the field and what is allowed, so that a person can act on it.
        return JsonResponse({"detail": str(error), "field": error.field}, status=400)
    except ValueError as error:
        return JsonResponse({"detail": str(error), "field": "since"}, status=400)
    headers = {"Content-Disposition": f'attachment; filename="{name}.{extension}"'}
    return StreamingHttpResponse(body, content_type=MEDIA_TYPES[extension], headers=headers)


class Body:
    """The bytes of a response whose first chunk has been taken.

    A class and no generator: the server closes the response even where it has not begun to read it (a client that left
    early), and closing a generator that has not begun would run nothing of it, so that the export would stay open.
    """

    def __init__(self, opened: Export) -> None:
        self._export = opened
        try:
            self._first = next(opened, b"")
        except BaseException:
            opened.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        yield self._first
        yield from self._export

    def close(self) -> None:
        """Called by Django when the response is over, whatever its end was."""
        self._export.close()


urlpatterns: list[Any] = [path("exports/<str:name>.<str:extension>", download)]
application = get_wsgi_application()
