"""The service inside of the example application: each user has the rows of one shop, and a cut is seen."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.cli.helpers import copied, wait_until
from tests.examples.helpers import FOLDER, backends, terminate_exports, web_server
from tests.fixtures.process import free_port

TABLES = b"""
CREATE TABLE orders (id int PRIMARY KEY, shop int NOT NULL, placed_on date, customer text, total numeric(12,2));
INSERT INTO orders SELECT g, 1 + g % 2, date '2026-01-01' + g % 365, 'customer ' || g, g * 0.37
FROM generate_series(1, 2000) AS g;
CREATE TABLE customers (country text);
INSERT INTO customers VALUES ('FR'), ('FR');
"""
MORE = b"""
INSERT INTO orders SELECT g, 1, date '2026-01-01', repeat(md5(g::text), 64), g FROM generate_series(10000, 30000) AS g
"""
"""40 MB: more than the sockets and buffers between a server process of PostgreSQL and a client that reads nothing."""


@pytest.fixture
def url(dsn: str, conn: psycopg.Connection) -> Iterator[str]:
    """The example that runs, on a database with orders of two shops."""
    conn.execute(TABLES)
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(FOLDER), "--port", str(port), "mounted_app:app"]
    with web_server(command, port, dsn, "/data/health/live") as address:
        yield address


def client(url: str, name: str) -> httpx.Client:
    """Somebody who is logged in."""
    return httpx.Client(base_url=url, auth=(name, f"{name}-secret"), timeout=60)


def download(user: httpx.Client, **spec: object) -> bytes:
    """The file of a new export."""
    created = user.post("/data/exports", json={"format": "csv", **spec})
    assert created.status_code == 201, created.text
    return user.get(f"{created.headers['location']}/download").raise_for_status().content


def test_each_user_has_the_rows_of_one_shop(url: str, conn: psycopg.Connection) -> None:
    everything = {"orderBy": [{"column": "id"}]}
    with client(url, "ann") as ann, client(url, "bob") as bob, client(url, "cleo") as cleo:
        for who, columns, shop in (
            (ann, "id, placed_on, customer, total", 1),
            (bob, "id, placed_on, customer, total", 2),
            (cleo, "id, placed_on, customer", 1),
        ):
            wanted = copied(conn, f"SELECT {columns} FROM orders WHERE shop = {shop} ORDER BY id")
            assert download(who, **everything) == wanted
        assert download(bob, filter=[{"column": "id", "op": "=", "value": 2}]) == b"id,placed_on,customer,total\n"
        assert download(bob, dataset="countries") == b"country\nFR\n"
        refused = cleo.post("/data/exports", json={"format": "csv", "columns": ["total"]})
        assert (refused.status_code, refused.json()["code"]) == (400, "bad-request")
        (mine,) = (each for each in ann.get("/data/exports").json()["exports"])
        assert bob.get(f"/data/exports/{mine['exportId']}").status_code == 404


def test_the_login_is_the_apps(url: str) -> None:
    for auth in (None, ("ann", "wrong"), ("nobody", "")):
        for path in ("/", "/data/datasets"):
            answer = httpx.get(url + path, auth=auth)
            assert (answer.status_code, answer.json()) == (401, {"detail": "log in first"})
            assert answer.headers["www-authenticate"] == 'Basic realm="shop"'
    with client(url, "ann") as ann:
        assert ann.get("/").json() == {"hello": "ann"}


def test_a_failed_export_is_a_broken_transfer(url: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    conn.execute(MORE)
    with client(url, "ann") as ann:
        place = ann.post("/data/exports", json={"format": "csv"}).headers["location"]
        target = tmp_path / "orders.csv"
        command = [
            "curl",
            "-sS",
            "-u",
            "ann:ann-secret",
            "--limit-rate",
            "6M",
            "-o",
            str(target),
            f"{url}{place}/download",
        ]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as fetching:
            wait_until(lambda: target.exists() and target.stat().st_size > 100_000)
            terminate_exports(conn)
            assert fetching.wait(timeout=60) == 18
        wait_until(lambda: ann.get(place).json()["status"] == "failed")
        wait_until(lambda: backends(conn) == 0)
