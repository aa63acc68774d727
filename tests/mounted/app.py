"""The app of these tests: whoever calls says in a header who that is, and what the login makes of it.

``Login`` has the members of a :class:`~polyglot_export.integrations.Caller` as JSON, or a word for what a login may do
wrong. ``MOUNTED`` in the environment has the arguments of :func:`~polyglot_export.integrations.asgi`.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from starlette.middleware.base import RequestResponseEndpoint
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from polyglot_export import SpecError
from polyglot_export.integrations import Caller, asgi
from polyglot_export.integrations.fastapi import CutBroken

GIVEN = json.loads(os.environ["MOUNTED"])
BLOCKED = threading.Event()


class LoginBroken(Exception):
    """What only the app can answer."""


def caller(request: Request) -> Caller | None:
    """A plain function."""
    login = request.headers.get("login", "nobody")
    match login:
        case "nobody":
            return None
        case "refused":
            raise HTTPException(403, "not on Sundays", headers={"X-Why": "sunday"})
        case "broken":
            raise LoginBroken
        case "defect":
            raise ZeroDivisionError
        case "text":
            return "ann"  # type: ignore[return-value]
        case "blocked":
            BLOCKED.wait(30)
            return None
    return Caller(**json.loads(login))


async def asking(request: Request) -> Caller | None:
    """An asynchronous one."""
    return caller(request)


exports = asgi(GIVEN["config"], caller=caller, **GIVEN.get("settings", {}))
others = asgi(GIVEN["config"], caller=asking, **GIVEN.get("settings", {}))


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Both mounts."""
    async with exports.lifespan(), others.lifespan():
        yield
    print("the app has ended", flush=True)


app = FastAPI(lifespan=lifespan)
app.mount("/data", exports)
inner = FastAPI()
inner.mount("/of others", others)
app.mount("/inner", inner)
never_begun = asgi(GIVEN["config"], caller=caller, **GIVEN.get("settings", {}))
app.mount("/never-begun", never_begun)


@app.exception_handler(LoginBroken)
async def login_broken(_: Request, __: Exception) -> JSONResponse:
    """The app's own answer."""
    return JSONResponse({"app": "the login is broken"}, 418)


@app.exception_handler(SpecError)
async def wrong_request(_: Request, error: Exception) -> JSONResponse:
    """As the apps of ``docs/howto/web-applications.md`` may have it."""
    return JSONResponse({"detail": str(error)}, 400)


@app.get("/unblock")
async def unblock() -> str:
    """Let the blocked login go on."""
    BLOCKED.set()
    return "unblocked"


with_middleware = FastAPI(lifespan=exports.lifespan)
with_middleware.mount("/data", exports)


@with_middleware.middleware("http")
async def timed(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """What many apps have."""
    return await call_next(request)


cut_broken = CutBroken(with_middleware)


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    """A router that knows no root path, and hands the lifespan on."""
    if scope["type"] == "lifespan":
        await exports(scope, receive, send)
    else:
        await exports({**scope, "path": scope["path"].removeprefix("/data")}, receive, send)
