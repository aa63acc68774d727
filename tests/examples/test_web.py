"""The FastAPI and the Django example behind the servers that they name: whole downloads, refusals, and visible cuts."""

from __future__ import annotations

import json
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


@pytest.fixture(params=[uvicorn, gunicorn], ids=["fastapi", "django"])
def url(request: pytest.FixtureRequest, dsn: str, conn: psycopg.Connection) -> Iterator[str]:
    """The address of an example that runs, on a database with orders."""
    conn.execute(ORDERS)
    port = free_port()
    with web_server(request.param(port), port, dsn, "/exports/nothing.csv") as address:
        yield address


def test_a_download_is_what_the_server_says(url: str, conn: psycopg.Connection) -> None:
    answer = httpx.get(f"{url}/exports/orders.csv")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="orders.csv"'
    assert answer.content == copied(conn, "SELECT * FROM orders")
    lines = httpx.get(f"{url}/exports/orders.ndjson").content.splitlines()
    assert lines == json_rows(conn, "SELECT * FROM orders")


def test_parquet_arrives_as_a_file(url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    target = tmp_path_factory.mktemp("download") / "orders.parquet"
    assert fetch_with_curl(f"{url}/exports/orders.parquet", "-f", "-o", str(target)).returncode == 0
    assert pq.read_table(target).num_rows == 2000


def test_a_filter_of_the_caller(url: str, conn: psycopg.Connection) -> None:
    answer = httpx.get(f"{url}/exports/orders.csv", params={"since": "2026-11-01"})
    expected = copied(conn, "SELECT * FROM orders WHERE placed_on >= '2026-11-01'")
    assert 1 < expected.count(b"\n") < 2001
    assert answer.content == expected
    # Nothing to send: a header, or no byte at all.
    assert httpx.get(f"{url}/exports/orders.csv", params={"since": "2030-01-01"}).content.count(b"\n") == 1
    nothing = httpx.get(f"{url}/exports/orders.ndjson", params={"since": "2030-01-01"})
    assert (nothing.status_code, nothing.content) == (200, b"")


def test_what_is_wrong_is_told_before_the_first_byte(url: str, conn: psycopg.Connection) -> None:
    assert httpx.get(f"{url}/exports/secrets.csv").status_code == 404
    assert 400 <= httpx.get(f"{url}/exports/orders.exe").status_code < 500
    assert 400 <= httpx.get(f"{url}/exports/orders.csv", params={"since": "yesterday"}).status_code < 500
    assert httpx.post(f"{url}/exports/orders.csv").status_code == 405
    conn.execute("ALTER TABLE orders RENAME placed_on TO day")
    refused = httpx.get(f"{url}/exports/orders.csv", params={"since": "2026-11-01"})
    assert refused.status_code == 400
    assert "placed_on" in json.loads(refused.content)["detail"]
    conn.execute(
        "ALTER TABLE orders ADD CHECK (total IS NOT NULL), ALTER total TYPE text; UPDATE orders SET total = 'x'"
    )
    conn.execute("ALTER TABLE orders RENAME TO parts; CREATE VIEW orders AS SELECT total::int FROM parts")
    assert httpx.get(f"{url}/exports/orders.csv").status_code == 500


def test_http_1_0_is_refused(url: str) -> None:
    done = fetch_with_curl(f"{url}/exports/orders.csv", "--http1.0", "-w", "%{http_code}")
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
        reader.stream("GET", f"{url}/exports/orders.csv") as answer,
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
    with slow_reader() as reader, reader.stream("GET", f"{url}/exports/orders.csv") as answer:
        chunks = answer.iter_raw(FIRST_BYTES)  # held: without it the connection is closed
        next(chunks)
        assert backends(conn) >= 2
    wait_until(lambda: backends(conn) == 0)
