r"""The whole export service inside a FastAPI application, behind the application's own login.

    DATABASE_URL=postgresql://localhost/shop uvicorn --app-dir examples --timeout-graceful-shutdown 10 mounted_app:app
    curl -f -u ann:ann-secret http://127.0.0.1:8000/data/datasets
    curl -f -u ann:ann-secret http://127.0.0.1:8000/data/exports -H 'Content-Type: application/json' \
        -d '{"format": "csv", "dataset": "orders"}'
    curl -f -u ann:ann-secret -OJ http://127.0.0.1:8000/data/exports/ID/download

Users belong to a shop, and see the orders of that shop only: in a streamed file as in a prepared one, whatever their
filter says, and in no list a word of what others have. Clerks do not see what the others pay.

What the application must do: give the service its ``lifespan``, so that it begins and ends with the application. Where
it has a middleware made with ``@app.middleware("http")``, which ends a failed export as if it were whole, it is wrapped
with ``polyglot_export.integrations.fastapi.CutBroken``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from typing import NamedTuple

from fastapi import FastAPI, HTTPException, Request

from polyglot_export.integrations import Caller, asgi


class User(NamedTuple):
    """A row of the application's table of users."""

    name: str
    shop: int
    clerk: bool
    salt: bytes
    password: bytes


def user(name: str, password: str, *, shop: int, clerk: bool = False) -> User:
    """A user of this example. Yours come from a database."""
    salt = os.urandom(16)
    return User(name, shop, clerk, salt, hashed(password, salt))


def hashed(password: str, salt: bytes) -> bytes:
    """What is kept of a password."""
    return hashlib.scrypt(password.encode(), salt=salt, n=2**12, r=8, p=1)


USERS = {
    each.name: each
    for each in (
        user("ann", "ann-secret", shop=1),
        user("bob", "bob-secret", shop=2),
        user("cleo", "cleo-secret", shop=1, clerk=True),
    )
}
LOG_IN = {"WWW-Authenticate": 'Basic realm="shop"'}


def logged_in(request: Request) -> User:
    """Who sends a request, by HTTP Basic. A cookie of a session would be read here in the same way."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except ValueError:
            raise HTTPException(401, "the credentials cannot be read", headers=LOG_IN) from None
        known = USERS.get(name)
        if known is not None and hmac.compare_digest(hashed(password, known.salt), known.password):
            return known
    raise HTTPException(401, "log in first", headers=LOG_IN)


def caller(request: Request) -> Caller:
    """What the export service may do for the user of a request."""
    who = logged_in(request)
    return Caller(
        name=who.name,
        datasets="all",
        columns={"orders": ["id", "placed_on", "customer"]} if who.clerk else {},
        # Every dataset that has rows of several shops is named here.
        rows={"orders": {"shop": who.shop}},
    )


OFFERED = {
    "datasets": {
        "orders": {"table": "public.orders", "columns": ["id", "placed_on", "customer", "total"]},
        "countries": {"query": "SELECT DISTINCT country FROM customers"},
    }
}
exports = asgi(OFFERED, caller=caller, database_url=os.environ.get("DATABASE_URL"), default_dataset="orders")

app = FastAPI(lifespan=exports.lifespan)
app.mount("/data", exports)


@app.get("/")
def home(request: Request) -> dict[str, str]:
    """The rest of the application, with the same login."""
    return {"hello": logged_in(request).name}
