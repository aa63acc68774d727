"""All applications behind one server: the first part of a path names one, as in ``/guarded/export/orders``."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from tests.integrations.apps import django_app, star_app

APPS = {
    "plain": star_app.plain,
    "between": star_app.between,
    "guarded": star_app.guarded,
    "guarded_between": star_app.guarded_between,
    "django": django_app.plain,
    "guarded_django": django_app.guarded,
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Hand the request on."""
    if scope["type"] == "lifespan":
        await star_app.plain(scope, receive, send)
        return
    _, name, rest = scope["path"].split("/", 2)
    await APPS[name]({**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode(), "root_path": ""}, receive, send)
