"""The FastAPI and the Django example behind the servers that they name: whole downloads, refusals, and visible cuts."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import httpx
import psycopg
import pyarrow.parquet as pq
import pytest

from tests.cli.helpers import copied, json_rows, wait_until
from tests.examples.helpers import (
    FOLDER,
    MORE_ORDERS,
    ORDERS,
    backends,
    fetch_with_curl,
    terminate_exports,
    web_server,
)
from tests.fixtures.process import free_port

FIRST_BYTES = 1 << 16
RECEIVE_BYTES = 1 << 18


def uvicorn(port: int) -> list[str]:
    """As the head of the example says."""
    return [sys.executable, "-m", "uvicorn", "--app-dir", str(FOLDER), "fastapi_app:app", "--port", str(port)]


def gunicorn(port: int) -> list[str]:
    """As the head of the example says."""
    command = [sys.executable, "-m", "gunicorn", "--chdir", str(FOLDER), "--worker-class", "gthread", "--threads", "4"]
    return [*command, "--bind", f"127.0.0.1:{port}", "django_app"]


def django_uvicorn(port: int) -> list[str]:
    """As the head of the example says."""
    return [*uvicorn(port)[:-3], "django_app:asgi", "--port", str(port)]


@pytest.fixture(params=[uvicorn, gunicorn, django_uvicorn], ids=["fastapi", "django", "django-asgi"])
def url(request: pytest.FixtureRequest, dsn: str, conn: psycopg.Connection) -> Iterator[str]:
    """The address of an example that runs, on a database with orders."""
    conn.execute(ORDERS)
    conn.execute("ALTER TABLE orders ADD shop int NOT NULL DEFAULT 1")
    conn.execute("UPDATE orders SET shop = 1 + id % 2")
    port = free_port()
    with web_server(request.param(port), port, dsn, "/exports/nothing.csv") as address:
        yield address


MINE = "SELECT id, placed_on, customer, total FROM orders WHERE shop = 1"
ANN = ("ann", "ann-secret")


def test_a_download_is_what_the_server_says(url: str, conn: psycopg.Connection) -> None:
    answer = httpx.get(f"{url}/exports/orders.csv", auth=ANN)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv; charset=utf-8")
    assert answer.headers["content-disposition"].startswith('attachment; filename="orders.csv"')
    assert sorted(answer.content.splitlines()) == sorted(copied(conn, MINE).splitlines())
    lines = httpx.get(f"{url}/exports/orders.ndjson", auth=ANN).content.splitlines()
    assert sorted(lines) == sorted(json_rows(conn, MINE))


def test_nobody_sees_the_orders_of_another_shop(url: str) -> None:
    assert httpx.get(f"{url}/exports/orders.csv").status_code == 401
    assert httpx.get(f"{url}/exports/orders.csv", auth=("ann", "bob-secret")).status_code == 401
    found = [
        {int(line.split(b",")[0]) for line in httpx.get(f"{url}/exports/orders.csv", auth=who).content.splitlines()[1:]}
        for who in (ANN, ("bob", "bob-secret"))
    ]
    assert found == [set(range(2, 2001, 2)), set(range(1, 2001, 2))]


def test_the_page_has_a_button(dsn: str) -> None:
    port = free_port()
    with web_server(uvicorn(port), port, dsn, "/") as url:
        assert httpx.get(url).status_code == 401
        assert '<a href="/exports/orders.csv" download>' in httpx.get(url, auth=ANN).text


def test_parquet_arrives_as_a_file(url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    target = tmp_path_factory.mktemp("download") / "orders.parquet"
    done = fetch_with_curl(f"{url}/exports/orders.parquet", "-u", ":".join(ANN), "-f", "-o", str(target))
    assert done.returncode == 0
    assert pq.read_table(target).num_rows == 1000


def test_a_filter_of_the_caller(url: str, conn: psycopg.Connection) -> None:
    answer = httpx.get(f"{url}/exports/orders.csv", params={"since": "2026-11-01"}, auth=ANN)
    expected = copied(conn, f"{MINE} AND placed_on >= '2026-11-01'")
    assert 1 < expected.count(b"\n") < 1001
    assert sorted(answer.content.splitlines()) == sorted(expected.splitlines())
    # Nothing to send: a header, or no byte at all.
    late = {"since": "2030-01-01"}
    assert httpx.get(f"{url}/exports/orders.csv", params=late, auth=ANN).content.count(b"\n") == 1
    nothing = httpx.get(f"{url}/exports/orders.ndjson", params=late, auth=ANN)
    assert (nothing.status_code, nothing.content) == (200, b"")


def test_what_is_wrong_is_told_before_the_first_byte(url: str, conn: psycopg.Connection) -> None:
    assert 400 <= httpx.get(f"{url}/exports/orders.exe", auth=ANN).status_code < 500
    assert 400 <= httpx.get(f"{url}/exports/orders.csv", params={"since": "yesterday"}, auth=ANN).status_code < 500
    assert httpx.post(f"{url}/exports/orders.csv", auth=ANN).status_code == 405
    conn.execute("ALTER TABLE orders RENAME TO parts")
    conn.execute("CREATE VIEW orders AS SELECT id, placed_on, shop, customer, 1 / (id * 0) AS total FROM parts")
    assert httpx.get(f"{url}/exports/orders.csv", auth=ANN).status_code == 500


def test_http_1_0_is_refused(url: str) -> None:
    done = fetch_with_curl(f"{url}/exports/orders.csv", "-u", ":".join(ANN), "--http1.0", "-w", "%{http_code}")
    assert done.stdout.endswith(b"426")
    assert b"Smith" not in done.stdout


def slow_reader() -> httpx.Client:
    """A client whose socket holds little: a kernel may let it grow until it holds the whole export."""
    options = [(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)]
    return httpx.Client(transport=httpx.HTTPTransport(socket_options=options), timeout=60)


def test_a_cut_in_the_middle_is_an_error_of_the_transfer(url: str, conn: psycopg.Connection) -> None:
    """Every server process of the export is ended: what has arrived must not look like the whole."""
    conn.execute(MORE_ORDERS)
    size = 0
    with (
        pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"),
        slow_reader() as reader,
        reader.stream("GET", f"{url}/exports/orders.csv", auth=ANN) as answer,
    ):
        assert answer.status_code == 200
        for chunk in answer.iter_raw():
            if size == 0:
                terminate_exports(conn)
            size += len(chunk)
    (whole,) = conn.execute("SELECT pg_table_size('orders')").fetchone() or (0,)
    assert 0 < size < whole


def test_a_client_that_leaves_ends_its_queries(url: str, conn: psycopg.Connection) -> None:
    conn.execute(MORE_ORDERS)
    with slow_reader() as reader, reader.stream("GET", f"{url}/exports/orders.csv", auth=ANN) as answer:
        chunks = answer.iter_raw(FIRST_BYTES)  # held: without it the connection is closed
        next(chunks)
        assert backends(conn) >= 2
    wait_until(lambda: backends(conn) == 0)
