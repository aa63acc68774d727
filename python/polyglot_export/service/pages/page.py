"""``/``: the page on which people choose, preview, run and take away exports.

Plain HTML, CSS and ES modules of this package: nothing is built, and nothing is loaded from elsewhere. The page itself
is for anybody; everything that it shows it asks for with the key of its user.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from polyglot_export.service.errors import NotFound
from polyglot_export.service.http.packing import takes_gzip
from polyglot_export.service.pages.assets import Asset, assets
from polyglot_export.service.streams.ranges import lists_tag

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Frame-Options": "DENY",
    "Vary": "Accept-Encoding",
}
_FOR_EVER = "public, max-age=31536000, immutable"


@router.head("/")
@router.get("/")
async def page(request: Request) -> Response:
    """The page itself, which knows the addresses of everything else."""
    return _answer(request, assets().index(), "no-cache")


@router.head("/page/{version}/{name}")
@router.get("/page/{version}/{name}")
async def file(request: Request, version: str, name: str) -> Response:
    """What it is made of; an address has the digest of all of it, so that it never changes."""
    found = assets().files.get(name) if version == assets().version else None
    if found is None:
        raise NotFound(f"there is no such file of the page: {name[:40]!r}; load the page again")
    return _answer(request, found, _FOR_EVER)


def _answer(request: Request, asset: Asset, caching: str) -> Response:
    packed = takes_gzip(request.headers.get("accept-encoding", ""))
    # Each form has a tag of its own: a strong one is of these very bytes.
    tag = f'"{asset.digest}-gzip"' if packed else f'"{asset.digest}"'
    headers = {**_HEADERS, "Cache-Control": caching, "ETag": tag}
    if lists_tag(request.headers.getlist("if-none-match"), tag, weak=True):
        return Response(status_code=304, headers=headers)
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(asset.packed if packed else asset.content, media_type=asset.media_type, headers=headers)
