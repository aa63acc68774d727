"""What a page of another site makes a browser ask for is refused where the browser itself is what lets it in.

A key is sent by a script that has it. But where anybody on this machine may ask, or where the browser shows a
certificate of its user, a page that the user merely looks at could make it run exports, stop them, or cost the database
as much as it likes, although it cannot read the answers. Browsers say where a request comes from in ``Sec-Fetch-Site``
(Fetch Metadata Request Headers, section 2.3) and in ``Origin`` (RFC 6454), which pages cannot change. Another port of
this machine is "same-site", and not us.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from polyglot_export.errors import cut
from polyglot_export.service.errors import Forbidden
from polyglot_export.service.http.connection import EXTENSION, Connection
from polyglot_export.service.http.error_handlers import refuse

__all__ = ["SiteGuard"]

_AT_WORK = ("/exports", "/datasets")
"""Paths of calls that ask the database for something; a link to ``/docs`` may be on any page."""
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_OURS = frozenset({"same-origin", "none"})
"""A page of our own, or the user, who has typed or bookmarked the address."""


class SiteGuard:
    """ASGI middleware; see the module's docstring."""

    def __init__(self, app: ASGIApp, keyless: Callable[[], bool], trusted: Collection[str]) -> None:
        """Set up.

        Args:
            app: What is guarded.
            keyless: Whether anybody may ask now.
            trusted: Origins whose pages may.
        """
        self._app = app
        self._keyless = keyless
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403."""
        if scope["type"] == "http" and _runs_something(scope):
            headers = Headers(scope=scope)
            if self._is_foreign(scope, headers) and self._let_in_by_the_browser(scope, headers):
                error = Forbidden(
                    "a page of another site may not run anything here without a key of its own; POLYGLOT_CORS_ORIGINS "
                    "names the origins that may, and an address that you open yourself is answered",
                    field="Origin" if "origin" in headers else "Sec-Fetch-Site",
                    audit_reason=f"a page of another site: {cut(headers.get('origin', 'of unknown origin'))}",
                )
                await refuse(error, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _let_in_by_the_browser(self, scope: Scope, headers: Headers) -> bool:
        if self._keyless():
            return True
        connection = (scope.get("extensions") or {}).get(EXTENSION)
        certificate = connection.certificate if isinstance(connection, Connection) else None
        return certificate is not None and "authorization" not in headers

    def _is_foreign(self, scope: Scope, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is not None and origin in self._trusted:
            return False
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site not in _OURS
        # A browser that does not tell: of before 2023, or over plain HTTP from another machine.
        return origin is not None and origin.lower() != f"{scope['scheme']}://{headers.get('host', '')}".lower()


def _runs_something(scope: Scope) -> bool:
    return scope["method"] not in _READING or str(scope["path"]).startswith(_AT_WORK)
