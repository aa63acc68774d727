"""``ExportResponse`` of Starlette and FastAPI: refusals, headers, clients that leave or stall, and the budget."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from polyglot_export import PolyglotError, SpecError
from polyglot_export.admission.budget import Share
from polyglot_export.integrations import limits as limits_module
from polyglot_export.integrations import starlette as starlette_module
from polyglot_export.integrations.fastapi import CutBroken, ExportResponse, limits
from tests.cli.helpers import copied, wait_until
from tests.examples.helpers import MORE_ORDERS, ORDERS, backends
from tests.integrations.servers import running, server_of

BROKEN = "CREATE VIEW broken AS SELECT id, 1 / (id - 1900) AS share, repeat('x', 2000) AS filler FROM orders"
"""Fails in the middle, by itself."""


@pytest.fixture(autouse=True)
def fresh_limits() -> Iterator[None]:
    yield
    limits()


def app_of(dsn: str, source: str | None = "orders", **keywords: Any) -> FastAPI:
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
    ("keywords", "status", "word"),
    [
        ({"source": "nothing"}, 400, "nothing"),
        ({"columns": ["id", "nobody"]}, 400, "nobody"),
        ({"format": "pdf"}, 400, "pdf"),
        ({"settings": {"app.tenant": 3}, "role": "nobody"}, 400, "nobody"),
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


@pytest.fixture(scope="module")
def big_dsn(module_dsn: str) -> str:
    """A database with more than fits between a server and a client that reads nothing."""
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute(ORDERS)
        connection.execute(MORE_ORDERS)
    return module_dsn


@pytest.fixture(scope="module")
def uvicorn(big_dsn: str) -> Iterator[str]:
    with running(server_of("uvicorn (httptools)"), big_dsn) as url:
        yield url


def stalled(url: str) -> socket.socket:
    """A client that reads a little of an answer and then nothing."""
    host, port = url.removeprefix("http://").split("/", 1)[0].split(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    connection.connect((host, int(port)))
    path = "/" + url.removeprefix("http://").split("/", 1)[1]
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert connection.recv(12) == b"HTTP/1.1 200"
    return connection


@pytest.mark.parametrize("shape", ["guarded_between", "guarded_django"])
def test_a_client_that_leaves_ends_its_queries(uvicorn: str, big_dsn: str, shape: str) -> None:
    with psycopg.connect(big_dsn, autocommit=True) as conn:
        with stalled(f"{uvicorn}/{shape}/export/orders"):
            assert backends(conn) >= 2
        wait_until(lambda: backends(conn) == 0)


@pytest.mark.parametrize("shape", ["guarded_between", "guarded_django"])
def test_a_client_that_takes_nothing_is_cut_off(uvicorn: str, big_dsn: str, shape: str) -> None:
    with psycopg.connect(big_dsn, autocommit=True) as conn, stalled(f"{uvicorn}/{shape}/export/orders?idle=1") as held:
        wait_until(lambda: backends(conn) == 0)
        # What it takes after all does not end as a body does.
        rest = b""
        while piece := _received(held):
            rest = (rest + piece)[-5:]
        assert rest != b"0\r\n\r\n"


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1 << 20)
    except ConnectionResetError:
        return b""


def test_http_1_0_is_refused(uvicorn: str) -> None:
    host, port = uvicorn.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"GET /plain/export/orders HTTP/1.0\r\n\r\n")
        assert connection.recv(100).split(b" ")[1] == b"426"
    assert httpx.get(f"{uvicorn}/plain/").status_code == 200
