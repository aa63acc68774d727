"""``/docs``: a page of our own that makes the calls readable and lets you try them, from ``/openapi.json``.

FastAPI's own page loads Swagger UI from another host: it shows nothing without internet, and its scripts would need a
hole in the content security policy. Swagger UI itself is 1.5 MB for a dozen calls; this page is three small files.
"""

from __future__ import annotations

from importlib import resources

from fastapi import APIRouter
from starlette.responses import Response

from polyglot_export.service.errors import NotFound

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_MEDIA_TYPES = {"docs.html": "text/html", "docs.css": "text/css", "docs.js": "text/javascript"}
"""The files beside this module that are served; nothing else is."""
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
}


@router.get("/docs")
async def documentation() -> Response:
    """The page itself."""
    return _file("docs.html")


@router.get("/docs/{name}")
async def asset(name: str) -> Response:
    """Its style and its script."""
    return _file(name)


def _file(name: str) -> Response:
    media_type = _MEDIA_TYPES.get(name)
    if media_type is None:
        raise NotFound(f"there is no page {name[:40]!r}")
    content = resources.files("polyglot_export.service.pages").joinpath(name).read_bytes()
    return Response(content, media_type=f"{media_type}; charset=utf-8", headers=_HEADERS)
