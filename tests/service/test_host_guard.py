"""A service without keys: loopback only, and no help to a web page that tries to reach it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import psycopg
import pytest

from polyglot_export.errors import SpecError
from polyglot_export.service.sockets import check_binding
from tests.fixtures.process import Service, cli, serve
from tests.service.client import call, create, job, post


@pytest.fixture(scope="module")
def local(module_dsn: str) -> Iterator[Service]:
    """A service without configuration, whose database has two tables."""
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE orders AS SELECT 1 AS id; CREATE TABLE staff AS SELECT 1 AS id")
    with serve(module_dsn) as running:
        yield running


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:9", "[::1]", "[::1]:8080"])
def test_loopback_names_are_answered(local: Service, host: str) -> None:
    assert status_for_host(local, host) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:127", "", "0.0.0.0"],
)
def test_other_names_are_not(local: Service, host: str) -> None:
    """DNS rebinding: a page's own name that points to this machine."""
    assert status_for_host(local, host) == 403


def status_for_host(service: Service, host: str) -> int:
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as raw:
        raw.sendall(f"GET /datasets HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return int(raw.recv(100).split()[1])


def test_a_page_cannot_post_without_asking_first(local: Service) -> None:
    """What a browser sends to another site without a preflight: no JSON, or no type at all."""
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = call(
            local, "/exports", method="POST", body=b'{"format":"csv"}', headers={"Content-Type": content_type}
        )
        assert answer.status == 415
    assert (
        "access-control-allow-origin" not in call(local, "/datasets", headers={"Origin": "http://evil.example"}).headers
    )


def test_the_tables_of_schema_public_are_offered(local: Service) -> None:
    names = {dataset["name"] for dataset in call(local, "/datasets").json()["datasets"]}
    assert {"orders", "staff"} <= names
    export_id = create(local, dataset="orders")
    assert call(local, f"/exports/{export_id}/download").status == 200
    assert job(local, export_id)["status"] == "completed"
    assert post(local, {"format": "csv", "dataset": "pg_catalog.pg_class"}).status == 400


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_without_keys_the_network_is_refused(dsn: str, host: str) -> None:
    done = cli("serve", "--host", host, "--port", "0", dsn=dsn)
    assert done.returncode == 2, done.stderr
    said = done.stderr.decode()
    assert "no keys are configured" in said
    assert "Traceback" not in said


def test_with_keys_the_network_is_allowed() -> None:
    check_binding("0.0.0.0", guarded=True)
    check_binding("127.0.0.1", guarded=False)
    check_binding("::1", guarded=False)
    with pytest.raises(SpecError, match="cannot be resolved"):
        check_binding("no-such-host.invalid", guarded=True)
