"""The answer to a request that does not reach the application, as bytes."""

from __future__ import annotations

import json

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from polyglot_export.service.errors import ServiceError
from polyglot_export.service.http import problems

__all__ = ["refusal"]


def refusal(error: ServiceError) -> bytes:
    """problem+json like every other error; the connection is closed behind it."""
    status, headers, body = problems.document(error)
    payload = json.dumps(body).encode()
    headers |= {
        "Content-Type": problems.CONTENT_TYPE,
        "Content-Length": str(len(payload)),
        "Connection": "close",
        "X-Content-Type-Options": "nosniff",
    }
    lines = [f"{name.lower()}: {value}\r\n".encode("latin-1") for name, value in headers.items()]
    return b"".join([STATUS_LINE[status], *lines, b"\r\n", payload])
