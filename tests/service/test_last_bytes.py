"""A job is completed when its client has the file, and nobody takes the last bytes of a file back."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import psycopg
import pytest

from polyglot_export.service.http.connection import Connection
from polyglot_export.service.http.protocol import ExportProtocol
from tests.fixtures.certificates import Authority
from tests.fixtures.process import Service, serve
from tests.service.client import RawDownload, create, job, wait_for, wait_for_status, wait_until_stalled

LARGE = 120
"""Rows of a kilobyte, which fit into the buffers between."""


@pytest.fixture(scope="module")
def pads(module_dsn: str) -> str:
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE pads AS SELECT g AS id, repeat('x', 1000) AS pad FROM generate_series(1, 1000) g")
    return module_dsn


@pytest.fixture(scope="module", params=["HTTP", "HTTPS"])
def service(request: pytest.FixtureRequest, pads: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With TLS there are more places where bytes may wait."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    secure = {"context": authority.context(), "env": authority.server().env} if request.param == "HTTPS" else {}
    with serve(pads, **secure) as running:  # type: ignore[arg-type]
        yield running


def download(service: Service) -> tuple[RawDownload, str]:
    export_id = create(service, dataset="pads", limit=LARGE)
    return RawDownload(service, export_id, receive_buffer=4096), export_id


def test_a_file_that_waits_in_buffers_is_no_completed_job(service: Service) -> None:
    raw, export_id = download(service)
    with raw:
        wait_until_stalled(service, export_id)
        assert job(service, export_id)["bytes"] > LARGE * 1000, "all of it is handed over"
        assert job(service, export_id)["status"] == "running"
        body = raw.read_to_end()
    assert body.count(b"x" * 1000) == LARGE
    assert wait_for_status(service, export_id, "completed")["rows"] == LARGE


def test_a_client_that_leaves_the_last_bytes_has_no_file(service: Service) -> None:
    raw, export_id = download(service)
    with raw:
        wait_until_stalled(service, export_id)
    wait_for(lambda: job(service, export_id)["status"] != "running")
    assert job(service, export_id)["status"] == "cancelled"


class Transport:
    """Of a connection whose peer reads nothing; notes how it is ended."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.ended = ""

    def get_extra_info(self, _name: str) -> socket.socket:
        return self.sock

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"


@pytest.mark.parametrize(("size", "ended"), [(12_000, "closed"), (40_000, "aborted")])
def test_who_gives_its_place_to_others_still_gets_its_last_bytes(size: int, ended: str) -> None:
    """The kernel goes on to send behind a close, and throws away behind a reset."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listener.getsockname())
        with listener.accept()[0] as served:
            for _ in range(0, size, 1000):
                served.send(b"x" * 1000)
            protocol = ExportProtocol.__new__(ExportProtocol)
            protocol._connected, protocol.cycle = True, None  # type: ignore[assignment]  # as uvicorn begins
            transport = protocol.transport = Transport(served)  # type: ignore[assignment]
            assert Connection(protocol).unacknowledged() > 1000, "its client does not have it"
            protocol.give_up(None)
    assert transport.ended == ended
