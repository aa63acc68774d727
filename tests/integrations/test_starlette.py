"""``ExportResponse`` of Starlette and FastAPI: refusals, headers, clients that leave or stall, and the budget."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import column, create_engine, make_url, select, table
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from polyglot_export import AccessDenied, PolyglotError, SpecError
from polyglot_export.admission.budget import Share
from polyglot_export.integrations import limits as limits_module
from polyglot_export.integrations import starlette as starlette_module
from polyglot_export.integrations.fastapi import CutBroken, ExportResponse, limits
from tests.cli.helpers import copied, wait_until
from tests.examples.helpers import ORDERS, backends
from tests.library.helpers import as_role, new_role

BROKEN = "CREATE VIEW broken AS SELECT id, 1 / (id - 1900) AS share, repeat('x', 2000) AS filler FROM orders"
"""Fails in the middle, by itself."""


@pytest.fixture(autouse=True)
def fresh_limits() -> Iterator[None]:
    yield
    limits()


def app_of(dsn: Any, source: Any = "orders", **keywords: Any) -> FastAPI:
    """An app with one export."""
    app = FastAPI()

    @app.get("/export")
    def export() -> Response:
        return ExportResponse(dsn, source, **keywords)

    return app


def get(app: Any, *, fails: bool = False, **headers: str) -> httpx.Response:
    """What the app answers, without a server.

    Args:
        app: Of ASGI.
        fails: Raise what the app raises.
        headers: Of the request.
    """

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=fails)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/export", headers=headers)

    return asyncio.run(ask())


def test_a_response_is_what_the_server_says(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(ORDERS)
    answer = get(app_of(dsn, where="id <= 100", filename='Bestellungen "März".csv'))
    assert answer.status_code == 200
    assert answer.content == copied(conn, "SELECT * FROM orders WHERE id <= 100")
    assert answer.headers["content-type"].startswith("text/csv; charset=utf-8")
    assert "filename*=UTF-8''Bestellungen%20_M%C3%A4rz_.csv" in answer.headers["content-disposition"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "content-length" not in answer.headers
    compressed = get(app_of(dsn, compression="gzip", format="ndjson"))
    assert compressed.headers["content-type"] == "application/gzip"
    assert "filename*=UTF-8''orders.ndjson.gz" in compressed.headers["content-disposition"]
    assert compressed.content.startswith(b"\x1f\x8b")
    wait_until(lambda: backends(conn) == 0)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"settings": {"app.tenant": 3}, "role": "nobody"}, "nobody"),
        ({"role": "none"}, "role: must be"),
        ({"settings": {"search_path": "other"}}, "settings: 'search_path' cannot be set"),
        ({"settings": {"app.tenant": None}}, "settings.app.tenant: must be"),
        ({"workers": 0}, "workers: must be"),
        ({"lock_timeout": 0}, "lock_timeout: must be"),
        ({"dsn": 7}, "dsn: must be"),
    ],
)
def test_a_fault_of_the_app_is_not_told_as_one_of_the_client(
    dsn: str, conn: psycopg.Connection, keywords: dict[str, Any], message: str
) -> None:
    conn.execute(ORDERS)
    app = app_of(**({"dsn": dsn} | keywords))
    assert get(app).status_code == 500
    with pytest.raises(SpecError, match=message):
        get(app, fails=True)
    assert backends(conn) == 0


def test_a_role_that_the_login_is_no_member_of(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(ORDERS)
    with new_role(conn, "stranger") as stranger, new_role(conn, "weak", "NOINHERIT") as weak:
        conn.execute(f"GRANT SELECT ON orders TO {stranger}".encode())
        with pytest.raises(AccessDenied, match="permission denied to set role"):
            get(app_of(as_role(dsn, weak), role=stranger), fails=True)


def test_a_select_of_sqlalchemy(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(ORDERS)
    engine = create_engine(make_url(dsn).set(drivername="postgresql+psycopg"))
    orders = table("orders", column("id"), column("customer"))
    answer = get(app_of(engine, select(orders).where(orders.c.customer == "Smith, Jones")))
    expected = copied(conn, "SELECT id, customer FROM orders WHERE customer = 'Smith, Jones'")
    assert sorted(answer.content.splitlines()) == sorted(expected.splitlines())
    wait_until(lambda: backends(conn) == 0)


@pytest.mark.parametrize(
    ("keywords", "status", "word"),
    [
        ({"source": "nothing"}, 400, "nothing"),
        ({"columns": ["id", "nobody"]}, 400, "nobody"),
        ({"format": "pdf"}, 400, "pdf"),
        ({"role": "pg_monitor"}, 403, "orders"),
        ({"dsn": "postgresql://127.0.0.1:1/x"}, 503, "cannot be reached"),
    ],
)
def test_what_is_refused_has_a_status(
    dsn: str, conn: psycopg.Connection, keywords: dict[str, Any], status: int, word: str
) -> None:
    conn.execute(ORDERS)
    answer = get(app_of(**{"dsn": dsn, "source": "orders"} | keywords))
    assert answer.status_code == status
    assert word in answer.json()["detail"]
    assert ("retry-after" in answer.headers) == (status == 503)


def test_what_fails_at_once_is_a_failure_of_the_app(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute("CREATE VIEW wrong AS SELECT 1 / (g - 1) AS x FROM generate_series(1, 3) g")
    assert get(app_of(dsn, "wrong")).status_code == 500
    wait_until(lambda: backends(conn) == 0)


def test_ranges_are_refused(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(ORDERS)
    assert get(app_of(dsn), Range="bytes=10-").status_code == 412


def test_a_handler_of_the_app_comes_first(dsn: str) -> None:
    app = app_of(dsn, "nothing")

    @app.exception_handler(SpecError)
    def told(_request: Request, error: SpecError) -> JSONResponse:
        return JSONResponse({"field": error.field}, status_code=422)

    answer = get(app)
    assert (answer.status_code, answer.json()) == (422, {"field": "dataset"})


def test_the_exports_of_a_process_have_a_budget(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(ORDERS)
    limits(connections=2)
    app = app_of(dsn)
    assert get(app).status_code == 200
    held = limits_module.room().budget.reserve_now(_Least())
    refused = get(app)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert "connection" in refused.json()["detail"]
    held.release()
    assert get(app).status_code == 200
    assert limits_module.room().budget.reserved == 0
    for wrong in ({"memory": "1kB"}, {"memory": "much"}, {"connections": 1}, {"row_limit": 5}):
        with pytest.raises(SpecError, match=next(iter(wrong))):
            limits(**wrong)


class _Least:
    """One connection."""

    @property
    def least(self) -> Share:
        return Share(1, 1)

    def within(self, size: int, workers: int) -> Share | None:
        return self.least if size and workers else None


def test_a_body_that_failed_is_never_ended(
    dsn: str, conn: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """Under a middleware that ends what failed; without the wrapper the log says what is missing, once."""
    conn.execute(ORDERS + ";" + BROKEN)
    app = FastAPI()

    @app.middleware("http")
    async def pass_on(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    @app.get("/export")
    def export() -> Response:
        return ExportResponse(dsn, "broken")

    starlette_module._warned.clear()
    with caplog.at_level(logging.WARNING, starlette_module.__name__):
        for _ in range(2):
            with pytest.raises(PolyglotError):
                get(app, fails=True)
    assert [record.message for record in caplog.records if "CutBroken" in record.message][1:] == []
    assert "CutBroken" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING, starlette_module.__name__), pytest.raises(PolyglotError):
        get(CutBroken(app), fails=True)
    assert "CutBroken" not in caplog.text
    wait_until(lambda: backends(conn) == 0)
