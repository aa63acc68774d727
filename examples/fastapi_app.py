"""Exports as downloads of a FastAPI application of your own.

    DATABASE_URL=postgresql://localhost/shop uvicorn --app-dir examples fastapi_app:app
    curl -f -OJ "http://127.0.0.1:8000/exports/orders.csv?since=2026-01-01"

What a client sees of an export that fails:

- Before its first bytes: an answer with a status of its own (400 for a wrong request, 500 else). That is why the
  export is opened, and its first chunk taken, before the response is made.
- After them: a broken transfer (curl: exit code 18). When the application raises, uvicorn closes the connection
  without the chunk that ends a body. Nothing here may catch that error and return.

What does not show it:

- HTTP/1.0 has no chunked bodies: there a cut looks like the end. Such requests are refused. A proxy in front must speak
  HTTP/1.1 to the application (nginx: ``proxy_http_version 1.1``).
- A middleware made with ``@app.middleware("http")`` puts a stream of its own between: the body ended as if it were
  whole when this was tried. Plain ASGI middleware (``async def __call__(self, scope, receive, send)``) is fine.

``polyglot serve`` is such a service with jobs, keys, limits of memory, and a reset that every client sees.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse

from polyglot_export import AsyncExport, SpecError, aexport

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

app = FastAPI()
Format = Literal["csv", "ndjson", "parquet"]


@app.exception_handler(SpecError)
async def wrong_request(_request: Request, error: SpecError) -> JSONResponse:
    """The sentence names the field and what is allowed, so that a person can act on it."""
    return JSONResponse({"detail": str(error), "field": error.field}, status_code=400)


async def opened(
    request: Request, name: str, extension: Format, since: date | None = None
) -> AsyncIterator[AsyncExport]:
    """The export of this request. It is closed, and its queries end, once the response is over or the client left."""
    if request.scope["http_version"] == "1.0":
        raise HTTPException(426, "a stream needs HTTP/1.1", headers={"Upgrade": "HTTP/1.1"})
    if name not in SOURCES:
        raise HTTPException(404, f"there is no export {name!r}; there are {', '.join(SOURCES)}")
    table, day = SOURCES[name]
    terms: list[dict[str, Any]] = [] if since is None else [{"column": day, "op": ">=", "value": since.isoformat()}]
    async with aexport(DSN, table, format=extension, filter=terms, idle_timeout=IDLE_SECONDS) as export:
        yield export


@app.get("/exports/{name}.{extension}")
async def download(name: str, extension: Format, export: Annotated[AsyncExport, Depends(opened)]) -> StreamingResponse:
    """Stream it. The path has the format, so that the browser's file has the right name."""
    first = await anext(export, b"")
    return StreamingResponse(
        _body(first, export),
        media_type=MEDIA_TYPES[extension],
        headers={"Content-Disposition": f'attachment; filename="{name}.{extension}"'},
    )


async def _body(first: bytes, rest: AsyncExport) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk
