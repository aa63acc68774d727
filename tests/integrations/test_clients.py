"""Clients that leave, and clients that take nothing: their queries end."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from polyglot_export import Cancelled, SpecError
from polyglot_export.integrations.pace import Watch
from tests.cli.helpers import wait_until
from tests.examples.helpers import MORE_ORDERS, ORDERS, backends
from tests.integrations.helpers import received, stalled
from tests.integrations.servers import running, server_of


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


@pytest.fixture(scope="module")
def places(uvicorn: str, big_dsn: str) -> Iterator[dict[str, str]]:
    """Where the export is, of FastAPI and of Django under ASGI and WSGI."""
    with running(server_of("gunicorn (gthread)"), big_dsn) as gunicorn:
        yield {
            "fastapi": f"{uvicorn}/guarded_between/export/orders",
            "asgi": f"{uvicorn}/guarded_django/export/orders",
            "wsgi": f"{gunicorn}/export/orders",
        }


@pytest.mark.parametrize("app", ["fastapi", "asgi", "wsgi"])
def test_a_client_that_leaves_ends_its_queries(places: dict[str, str], big_dsn: str, app: str) -> None:
    with psycopg.connect(big_dsn, autocommit=True) as conn:
        with stalled(places[app]):
            assert backends(conn) >= 2
        wait_until(lambda: backends(conn) == 0)


@pytest.mark.parametrize("app", ["fastapi", "asgi", "wsgi"])
def test_a_client_that_takes_nothing_is_cut_off(places: dict[str, str], big_dsn: str, app: str) -> None:
    with psycopg.connect(big_dsn, autocommit=True) as conn, stalled(f"{places[app]}?idle=1") as held:
        wait_until(lambda: backends(conn) == 0)
        # What it takes after all does not end as a body does.
        rest = b""
        while piece := received(held):
            rest = (rest + piece)[-5:]
        assert rest != b"0\r\n\r\n"


def test_http_1_0_is_refused(uvicorn: str) -> None:
    host, port = uvicorn.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"GET /plain/export/orders HTTP/1.0\r\n\r\n")
        assert connection.recv(100).split(b" ")[1] == b"426"
    assert httpx.get(f"{uvicorn}/plain/").status_code == 200


def test_a_rate_is_what_a_client_takes_of_what_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    watch = Watch(min_rate=100, idle_timeout=10)
    for now in (5.0, 10.0, 15.0, 20.0):  # noqa: B007 - the clock
        watch.begin(600)
        watch.end()
    watch.begin(50)
    watch.check()
    now = 31.0
    with pytest.raises(Cancelled, match="less than 100 bytes a second for 10 seconds"):
        watch.check()
    for wrong in ({"min_rate": -1, "idle_timeout": 1}, {"min_rate": 0, "idle_timeout": 0}):
        with pytest.raises(SpecError):
            Watch(**wrong)
