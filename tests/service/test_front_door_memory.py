"""What a client without a key sends cannot make the process hold more than it says."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest

from tests.fixtures.process import Service, serve
from tests.service.client import PATIENCE, call, create, wait_for
from tests.service.raw import GET, connect, peak_of, push, read_all

MB = 1 << 20
CHUNKED = b"POST /health/live HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
GROWTH = 24 * MB
"""The headroom: what requests may take together with all that belongs to them."""
KEY = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a key that nobody has."""
    config = tmp_path_factory.mktemp("config") / "polyglot.toml"
    config.write_text(f'[keys.nobody]\nhash = "{KEY}"\n')
    # No database answers there: nobody gets so far.
    with serve("host=127.0.0.1 port=1", config=config, memory_limit="256MB", fresh=True) as running:
        call(running, "/openapi.json")
        yield running


@pytest.fixture
def bounded(guarded: Service) -> Iterator[Service]:
    """The service, which must have grown by no more than the headroom, and which must answer."""
    before = peak_of(guarded)
    yield guarded
    assert peak_of(guarded) - before < GROWTH
    assert call(guarded, "/health/live").status == 200


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"0\r\n", b"a: b\r\n" * 1000),
        (b"0\r\n", b"a:\r\n" * 1000),
        (b"0\r\na: ", b"b" * 4096),
        (b"0\r\n", b"b" * 4096),
        (b"0;", b"b" * 4096),
    ],
    ids=["trailers", "tiny trailers", "one long trailer", "one long name", "an extension of the chunk"],
)
def test_endless_trailers(bounded: Service, start: bytes, piece: bytes) -> None:
    with connect(bounded) as raw:
        raw.sendall(CHUNKED + start)
        assert push(raw, piece, 24 * MB) < 4 * MB


def test_a_trailer_is_no_header(guarded: Service) -> None:
    """RFC 9110, section 6.5.1: it could name a key or a host."""
    with connect(guarded) as raw:
        raw.sendall(
            b"POST /exports HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\n{}\r\n0\r\nHost: other\r\nAuthorization: Bearer x\r\n\r\n"
            b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        answer = read_all(raw)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"400" not in answer


@pytest.mark.parametrize("head", [b"a:\r\n" * 16_000, b"a: " + b"x" * 64_000], ids=["tiny headers", "one large header"])
def test_many_large_heads(bounded: Service, head: bytes) -> None:
    """None of them ends, so each connection keeps what it has sent, as long as all of them fit."""
    with contextlib.ExitStack() as stack:
        for _ in range(600):
            raw = stack.enter_context(connect(bounded))
            with contextlib.suppress(OSError):
                raw.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n" + head)
        assert call(bounded, "/health/live").status == 200


def test_many_pipelines_that_nobody_reads(bounded: Service) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            raw = stack.enter_context(connect(bounded))
            raw.setblocking(False)
            with contextlib.suppress(BlockingIOError, ConnectionError):
                raw.send(GET * 6000)
        started = time.monotonic()
        assert call(bounded, "/health/live").status == 200
        assert time.monotonic() - started < PATIENCE


def test_many_large_answers_that_nobody_reads(bounded: Service) -> None:
    request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with contextlib.ExitStack() as stack:
        for _ in range(400):
            raw = stack.enter_context(socket.socket())
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.settimeout(PATIENCE)
            raw.connect(("127.0.0.1", bounded.port))
            raw.sendall(request)
        assert call(bounded, "/health/live").status == 200


def test_many_bodies_that_nobody_reads(bounded: Service) -> None:
    """Answered 401 before a byte of the body is read; what comes then is thrown away."""
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            raw = stack.enter_context(connect(bounded))
            raw.setblocking(False)
            with contextlib.suppress(BlockingIOError, ConnectionError):
                raw.send(
                    b"POST /exports HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 900_000
                )
        assert call(bounded, "/health/live").status == 200


def test_the_largest_requests_go_first() -> None:
    """One of ordinary size is answered however much the others hold."""
    with (
        serve("host=127.0.0.1 port=1", request_memory="512kB") as service,
        contextlib.ExitStack() as stack,
    ):
        slow = stack.enter_context(connect(service))
        slow.sendall(GET[:20])
        large = []
        for _ in range(20):
            raw = stack.enter_context(connect(service))
            raw.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 60_000)
            large.append(raw)
        wait_for(lambda: "tooLarge" in service.log())
        numbers = call(service, "/metrics").body.decode()
        assert 'polyglot_clients_turned_away_total{reason="memory"}' in numbers
        held = next(line for line in numbers.splitlines() if line.startswith("polyglot_request_memory_bytes "))
        assert float(held.split()[1]) < (512 << 10) * 1.2 + 65536
        slow.sendall(GET[20:])
        assert slow.recv(100).startswith(b"HTTP/1.1 200 ")
        assert any(b"HTTP/1.1 503 " in read_all(raw) for raw in large)


def test_a_page_of_large_requests_is_short(records: str) -> None:
    """What is listed is written as a whole before a byte of it is taken."""
    words = [f"{number:0100}" for number in range(1500)]
    with serve(records, default_dataset="small") as service:
        made = [create(service, filter=[{"column": "name", "op": "in", "value": words}]) for _ in range(12)]
        seen: list[str] = []
        path = "/exports?limit=500"
        while True:
            answer = call(service, path)
            assert len(answer.body) < 4 * MB
            page = answer.json()
            assert page["exports"]
            seen += [export["exportId"] for export in page["exports"]]
            if page["next"] is None:
                break
            assert len(page["exports"]) < len(made)
            path = f"/exports?limit=500&after={page['next']}"
    assert seen == made[::-1]
