"""Streams need HTTP/1.1: over HTTP/1.0 their end cannot be told from a break."""

from __future__ import annotations

import re

from starlette.requests import Request

from polyglot_export.service.errors import UpgradeRequired

__all__ = ["require_http_1_1"]

_HOP_1_0 = re.compile(r"(?:^|,)\s*(?:HTTP/)?1\.0\s", re.IGNORECASE)
"""One hop of a Via header that was reached over HTTP/1.0."""


def require_http_1_1(request: Request) -> None:
    """Refuse a stream where its end cannot be told from a break, and where there are no chunks (RFC 9112, section 7.1).

    Raises:
        UpgradeRequired: The client, or the proxy before it, speaks HTTP/1.0.
    """
    # Behind a proxy the header Via has the versions of the hops before it, where the proxy sends it (RFC 9110, section
    # 7.6.3).
    if request.scope["http_version"] == "1.0" or any(_HOP_1_0.search(via) for via in request.headers.getlist("via")):
        raise UpgradeRequired(
            "a stream is not sent over HTTP/1.0, where a broken download looks complete; use HTTP/1.1 (nginx: "
            "proxy_http_version 1.1)",
            headers={"Upgrade": "HTTP/1.1", "Connection": "Upgrade, close"},
        )
