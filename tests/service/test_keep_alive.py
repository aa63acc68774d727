"""A stream never announces that its connection will be closed: undici takes such a connection's reset for the end of the
body. Where closing is due it happens behind the last byte, and otherwise the connection goes on.
"""

from __future__ import annotations

import http.client
import signal
import socket
from collections.abc import Iterator

import pytest

from tests.fixtures.process import Service, serve
from tests.service.client import PATIENCE, RawDownload, call, create, wait_for, wait_for_status

CLOSE = {"Connection": "close"}


@pytest.fixture
def connection(service: Service) -> Iterator[http.client.HTTPConnection]:
    """One connection: what is asked over it goes over the same socket, or fails."""
    found = http.client.HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE)
    found.connect()
    found.auto_open = 0
    yield found
    found.close()


def answer_of(
    connection: http.client.HTTPConnection, path: str, headers: dict[str, str] | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    connection.request("GET", path, headers=headers or {})
    answer = connection.getresponse()
    return answer, answer.read()


def streams(service: Service) -> list[str]:
    """An address of each kind of stream; both end soon."""
    done = create(service, dataset="small")
    with_events = create(service, dataset="small")
    for export_id in (done, with_events):
        assert call(service, f"/exports/{export_id}/download").status == 200
    wait_for_status(service, with_events, "completed")
    return [f"/exports/{done}/download", f"/exports/{with_events}/events"]


def test_a_connection_goes_on_after_a_stream(service: Service, connection: http.client.HTTPConnection) -> None:
    for path in [*streams(service), *streams(service)]:
        answer, body = answer_of(connection, path)
        assert answer.status == 200
        assert body
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert answer.headers["Connection"] is None
    answer, _ = answer_of(connection, "/health/live")
    assert answer.status == 200


@pytest.mark.parametrize("kind", [0, 1], ids=["download", "events"])
def test_a_client_that_wants_it_closed(service: Service, kind: int) -> None:
    """RFC 9112, section 9.6: close, with or without a word."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE) as raw:
        path = streams(service)[kind]
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        data = b"".join(iter(lambda: raw.recv(65536), b""))
    head, body = data.split(b"\r\n\r\n", 1)
    assert b"transfer-encoding: chunked" in head
    assert b"connection:" not in head.lower()
    assert body.endswith(b"\r\n0\r\n\r\n")


def test_an_answer_with_a_length_says_close(connection: http.client.HTTPConnection) -> None:
    """Its end is known by its length: nobody can be misled."""
    answer, _ = answer_of(connection, "/health/live", CLOSE)
    assert answer.headers["Connection"] == "close"
    assert answer.headers["Content-Length"]


def test_a_request_that_comes_too_early(service: Service) -> None:
    """It is thrown away, and nobody waits for its answer: the connection ends behind the stream."""
    export_id = create(service)
    with socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE) as raw:
        raw.sendall(f"GET /exports/{export_id}/download HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = raw.recv(65536)
        raw.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        tail = head
        while piece := raw.recv(1 << 20):
            tail = (tail + piece)[-2000:]
    assert b"connection:" not in head.split(b"\r\n\r\n")[0].lower()
    assert tail.endswith(b"\r\n0\r\n\r\n"), "the whole stream, and nothing behind it"


def test_requests_that_come_together(service: Service) -> None:
    """Both are known before the stream begins: both are answered, in their order."""
    path = streams(service)[0]
    with socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE) as raw:
        raw.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
            "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        data = b"".join(iter(lambda: raw.recv(65536), b""))
    assert data.count(b"HTTP/1.1 200 OK") == 2
    assert data.index(b"\r\n0\r\n\r\n") < data.rindex(b"HTTP/1.1 200 OK")


def test_the_service_ends(records: str) -> None:
    """What is on its way is delivered whole, and its connection closed."""
    with serve(records, default_dataset="records", shutdown_grace=30) as service:
        with RawDownload(service, create(service)) as download:
            head = download.read_some(1000)
            service.process.send_signal(signal.SIGTERM)
            rest = download.read_to_end()
        wait_for(lambda: service.process.poll() is not None)
    assert b"connection:" not in head.split(b"\r\n\r\n")[0].lower()
    assert rest.endswith(b"\r\n0\r\n\r\n")
