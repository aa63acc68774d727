"""A FastAPI application with a button that downloads a table: its users see the orders of their own shop.

    DATABASE_URL=postgresql://localhost/shop uvicorn --app-dir examples fastapi_app:app
    curl -f -u ann:ann-secret -OJ "http://127.0.0.1:8000/exports/orders.csv?since=2026-01-01"

An export that fails before its first bytes is an answer with a status of its own (400 for a wrong request, 503 when too
many run, 500 else); after them it is a broken transfer (curl: exit code 18). ``CutBroken`` outermost keeps every
middleware and server from making a whole one of it. A client that leaves, or that stalls for a minute, ends its query.

``polyglot serve`` is such a service with jobs, keys and prepared files; ``mounted_app.py`` has it inside an app.
"""

from __future__ import annotations

import os
import secrets
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import HTMLResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from sqlalchemy import create_engine, make_url, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from polyglot_export.integrations.fastapi import CutBroken, ExportResponse, limits

engine = create_engine(make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg"))
limits(memory="256MB", connections=20)
"""For all exports that run at a time; a further one is answered 503 with Retry-After."""


class Base(DeclarativeBase):
    """The tables of the application."""


class Order(Base):
    """What is exported."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    shop: Mapped[int]
    placed_on: Mapped[date]
    customer: Mapped[str | None]
    total: Mapped[Decimal | None]


class User(NamedTuple):
    """A row of the application's table of users. Yours keeps a hash of the password."""

    shop: int
    password: str


USERS = {"ann": User(1, "ann-secret"), "bob": User(2, "bob-secret")}
PAGE = """
<!doctype html><title>Orders</title>
<a href="/exports/orders.csv" download>Download my orders</a>
"""
api = FastAPI()
basic = HTTPBasic()


def signed_in(given: Annotated[HTTPBasicCredentials, Depends(basic)]) -> User:
    """Who asks."""
    user = USERS.get(given.username)
    if user is None or not secrets.compare_digest(given.password.encode(), user.password.encode()):
        raise HTTPException(401, "who are you?", headers={"WWW-Authenticate": "Basic"})
    return user


@api.get("/", response_class=HTMLResponse)
def page(_user: Annotated[User, Depends(signed_in)]) -> str:
    """The button."""
    return PAGE


@api.get("/exports/orders.{extension}")
def download(
    extension: Literal["csv", "ndjson", "parquet"],
    user: Annotated[User, Depends(signed_in)],
    since: date | None = None,
) -> ExportResponse:
    """The orders of the user's shop, and no others."""
    mine = select(Order.id, Order.placed_on, Order.customer, Order.total).where(Order.shop == user.shop)
    if since is not None:
        mine = mine.where(Order.placed_on >= since)
    return ExportResponse(engine, mine, format=extension, filename=f"orders.{extension}")


app = CutBroken(api)
