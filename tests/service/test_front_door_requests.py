"""What HTTP asks of a request, told through a real socket; and requests that come in odd pieces or are left half sent."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.process import Service, serve
from tests.service.client import call, create, wait_for, wait_for_status
from tests.service.raw import GET, ask, connect, read_all

CLOSE = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
UPGRADE = b"POST /exports HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
PACKAGE = Path(__file__).parents[2] / "python"


@pytest.fixture(scope="module")
def local() -> Iterator[Service]:
    """A service without a database."""
    with serve("host=127.0.0.1 port=1") as running:
        yield running


@pytest.mark.parametrize(
    ("request_bytes", "status", "code", "word"),
    [
        (b"GET /health/live HTTP/1.1\r\n\r\n", 400, "malformed-request", "no Host"),
        (b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nhost: a\r\n\r\n", 400, "malformed-request", "two Host"),
        (b"GET /health/live HTTP/1.0\r\nHost: localhost\r\nHost: a\r\n\r\n", 400, "malformed-request", "two Host"),
        (b"GET /health/live HTTP/1.1\r\nHost: local host\r\n\r\n", 400, "malformed-request", "neither"),
        (b"GET /health/live HTTP/1.1\r\nHost: a:127.0.0.1\r\n\r\n", 400, "malformed-request", "neither"),
        (b"GET /health/live HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "malformed-request", "neither"),
        (b"GET /health/live HTTP/2.0\r\nHost: localhost\r\n\r\n", 400, "malformed-request", "HTTP/2.0"),
        (b"GET /health/live HTTP/0.9\r\nHost: localhost\r\n\r\n", 400, "malformed-request", "HTTP/0.9"),
        (
            b"GET /health/live?" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
            431,
            "header-too-large",
            "65536",
        ),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431, "header-too-large", "65536"),
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"a: b\r\n" * 201 + b"\r\n",
            431,
            "header-too-large",
            "200 headers",
        ),
        (b"\r\n\r\n" * 20_000, 431, "header-too-large", "65536"),
        (UPGRADE + b"Content-Length: 2\r\n\r\n{}", 400, "malformed-request", "another protocol"),
        (UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "malformed-request", "another protocol"),
        (b"GET /health/live HTTP/1.1\nHost: localhost\n\n", 400, "malformed-request", "valid"),
    ],
)
def test_what_is_refused(local: Service, request_bytes: bytes, status: int, code: str, word: str) -> None:
    answered, problem = ask(local, request_bytes)
    assert (answered, problem["status"], problem["code"]) == (status, status, code)
    assert word in problem["detail"]


@pytest.mark.parametrize(
    "request_bytes",
    [
        CLOSE,
        b"\r\n\r\n" + CLOSE,
        CLOSE.replace(b"localhost", b"LOCALHOST:80"),
        CLOSE.replace(b"Host: localhost", b"Host: [::1]:8080"),
        b"GET /health/live HTTP/1.0\r\nHost: localhost\r\n\r\n",
        CLOSE.replace(b"Connection: close", b"Connection: close, Upgrade\r\nUpgrade: h2c"),
        CLOSE.replace(b"\r\n\r\n", b"\r\n" + b"a: b\r\n" * 150 + b"\r\n"),
        CLOSE.replace(b"\r\n\r\n", b"\r\nX: " + b"a" * 60_000 + b"\r\n\r\n"),
        CLOSE.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\nabc"),
    ],
)
def test_what_is_answered(local: Service, request_bytes: bytes) -> None:
    assert ask(local, request_bytes) == (200, {"status": "healthy"})


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
def test_requests_in_pieces(local: Service, size: int) -> None:
    """Each one is answered once and in its order, wherever the pieces are cut."""
    requests = (
        GET
        + b"POST /exports HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n"
        + b"\r\n\r\n\r\n\r\n\r\n"
        + b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"
        + CLOSE
    )
    with connect(local) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(requests), size):
            raw.sendall(requests[at : at + size])
        answer = read_all(raw)
    assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"200", b"400", b"404", b"200"]


def test_a_long_pipeline_is_answered_whole(local: Service) -> None:
    """Its client reads what it is answered: nothing is thrown away."""
    with connect(local) as raw:
        answer = b""
        for turn in range(1, 6):
            raw.sendall(GET * 100)
            while answer.count(b'{"status":"healthy"}') < 100 * turn:
                answer += raw.recv(65536)
            assert answer.count(b"HTTP/1.1 200 OK") == answer.count(b'{"status":"healthy"}') == 100 * turn


def test_behind_a_chunked_body(local: Service) -> None:
    """Either answered, or the connection ends: never the answer of another request."""
    post = (
        b"POST /exports HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    )
    with connect(local) as raw:
        raw.sendall(post + CLOSE)
        answer = read_all(raw)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") <= 2
    with connect(local) as raw:
        raw.sendall(post)
        assert raw.recv(65536).startswith(b"HTTP/1.1 400 ")
        raw.sendall(CLOSE)
        assert b"HTTP/1.1 200 " in read_all(raw)


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory, records: str) -> Iterator[Service]:
    """A service that waits for a second where others wait for half a minute."""
    folder = tmp_path_factory.mktemp("impatient")
    (folder / "sitecustomize.py").write_text(
        "import polyglot_export.service.http.protocol as p\np.LINGER_SECONDS = 1.0\n"
    )
    with serve(records, default_dataset="small", env={"PYTHONPATH": f"{folder}:{PACKAGE}"}) as running:
        yield running


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx", b"200"),
        (b"GET /datasets HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", b"200"),
        (b"POST /exports HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n", b"415"),
        (b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{", b"404"),
    ],
)
def test_a_body_that_nobody_reads_is_not_waited_for(impatient: Service, request_bytes: bytes, status: bytes) -> None:
    with connect(impatient) as raw:
        raw.sendall(request_bytes)
        assert read_all(raw).split()[1] == status


def test_a_body_behind_a_stream_is_not_waited_for(impatient: Service) -> None:
    export_id = create(impatient)
    for sent in (b"", b"x"):
        with connect(impatient) as raw:
            raw.sendall(
                f"GET /exports/{export_id}/download HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n".encode()
                + sent
            )
            assert read_all(raw).endswith(b"\r\n0\r\n\r\n")


def test_a_body_that_comes_late_but_whole_keeps_the_connection(impatient: Service) -> None:
    with connect(impatient) as raw:
        raw.sendall(b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        assert raw.recv(65536).startswith(b"HTTP/1.1 404 ")
        raw.sendall(b"x" * 99)
        time.sleep(2)
        raw.sendall(CLOSE)
        assert b"HTTP/1.1 200 " in read_all(raw)


def test_a_client_that_leaves_in_the_middle_of_a_body(local: Service) -> None:
    with connect(local) as raw:
        raw.sendall(
            b"POST /exports HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
    wait_for(lambda: 'route="/exports",status="499"' in call(local, "/metrics").body.decode())
    assert "Traceback" not in local.log()
    assert "Exception in ASGI" not in local.log()


@pytest.mark.parametrize("path", ["/exports/benchmark", "/exports", "/datasets"])
def test_a_page_of_another_site_runs_nothing(impatient: Service, path: str) -> None:
    answer = call(impatient, path, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status == 403
    assert answer.json()["field"] == "Sec-Fetch-Site"
    for site in ("same-origin", "none"):
        assert call(impatient, path, headers={"Sec-Fetch-Site": site}).status == 200


def test_a_page_of_another_site_may_link_to_the_documentation(impatient: Service) -> None:
    assert call(impatient, "/docs", headers={"Sec-Fetch-Site": "cross-site"}).status == 200


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 31 Dec 9999 23:59:59 -2359",
        "Mon, 31 Dec 99999999999 23:59:59 GMT",
        "Mon, 31 Dec 2030 23:59:59 +99999999999999",
        "x",
        "",
    ],
)
def test_a_date_that_is_none_is_ignored(impatient: Service, date: str) -> None:
    export_id = create(impatient, delivery="file")
    wait_for_status(impatient, export_id, "completed")
    for name in ("If-Modified-Since", "If-Unmodified-Since", "If-Range"):
        answer = call(impatient, f"/exports/{export_id}/download", headers={name: date})
        assert answer.status == 200, name


def test_an_answer_repeats_little_of_a_long_address(local: Service) -> None:
    """Percent-encoded, each byte of it would be three in the answer, four times."""
    path = "/nothing/" + "%C3%BC" * 10_000
    status, problem = ask(local, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert status == 404
    assert len(problem["instance"]) < 2000
    assert len(problem["detail"]) < 2000
    status, _ = ask(local, f"GET /datasets/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert status in {404, 503}
    assert max(map(len, local.log().splitlines())) < 4000
