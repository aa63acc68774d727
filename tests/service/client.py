"""How the tests talk to a service, and how they look at what it does in the database."""

from __future__ import annotations

import json
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import psycopg

from tests.fixtures.process import Service

PATIENCE = 60.0
"""Seconds after which something that is awaited counts as never happening; far above what it takes on a busy
machine."""
GONE_SECONDS = 10.0
"""Ceiling of the time in which a query ends that nobody wants any more: within two seconds on a machine that is not
busy with other tests, and far below the time that it would last by itself."""


@dataclass(frozen=True)
class Answer:
    """An answer that was read whole."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


def call(
    service: Service | str,
    path: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send a request and read the whole answer, whatever its status."""
    url, context = (service, None) if isinstance(service, str) else (service.url, service.context)
    request = urllib.request.Request(url + path, data=body, headers=dict(headers or {}), method=method)
    try:
        with urllib.request.urlopen(request, timeout=120, context=context) as answer:
            return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, {name.lower(): value for name, value in error.headers.items()}, error.read())


def post(service: Service | str, spec: object, *, headers: Mapping[str, str] | None = None) -> Answer:
    """``POST /exports`` with a JSON body."""
    body = json.dumps(spec).encode()
    return call(
        service, "/exports", method="POST", body=body, headers={"Content-Type": "application/json", **(headers or {})}
    )


def assert_problem(answer: Answer, status: int, code: str, *words: str) -> None:
    """An RFC 9457 answer with the members of the reference system."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["type"].endswith(code)
    assert body["title"]
    assert body["error"] == body["detail"]
    for word in words:
        assert word in body["error"]
    assert "\n" not in body["error"]


def create(service: Service | str, **spec: object) -> str:
    """Create an export and give its id."""
    answer = post(service, {"format": "csv", **spec})
    assert answer.status == 201, answer
    export_id = answer.json()["exportId"]
    assert isinstance(export_id, str)
    return export_id


def job(service: Service | str, export_id: str) -> Any:
    """``GET /exports/{id}``."""
    answer = call(service, f"/exports/{export_id}")
    assert answer.status == 200, answer
    return answer.json()


def wait_for(what: Callable[[], object], *, seconds: float = PATIENCE) -> float:
    """Wait until something is true; gives the seconds it took, or fails."""
    started = time.monotonic()
    while not what():
        if time.monotonic() - started > seconds:
            raise AssertionError(f"not true after {seconds:g} s")
        time.sleep(0.02)
    return time.monotonic() - started


def wait_for_status(service: Service, export_id: str, status: str) -> Any:
    """Wait until the job has a status; gives the job."""
    wait_for(lambda: job(service, export_id)["status"] == status)
    return job(service, export_id)


def backends(dsn: str, export_id: str) -> list[int]:
    """The server processes that work for an export: its leader and its workers."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = %s", [f"polyglot {export_id}"]
        )
        return [row[0] for row in rows]


def kill_backends(dsn: str, export_id: str) -> int:
    """Terminate the server processes of an export; gives how many there were."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
            [f"polyglot {export_id}"],
        )
        return len(rows.fetchall())


def wait_until_stalled(service: Service | str, export_id: str) -> None:
    """Wait until an export goes no further: its client takes nothing, and all buffers between are full."""
    seen: list[int] = []

    def stands_still() -> bool:
        seen.append(job(service, export_id)["bytes"])
        time.sleep(0.1)
        return seen[-1] > 0 and seen[-5:].count(seen[-1]) == 5

    wait_for(stands_still)


class RawDownload:
    """A download over a plain socket, with a small receive buffer: it stalls as soon as nobody reads."""

    def __init__(
        self,
        service: Service,
        export_id: str,
        *,
        headers: str = "",
        version: str = "1.1",
        receive_buffer: int = 65536,
        what: str = "download",
    ) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", service.port))
        if service.context is not None:
            # An end without the alert that announces it is an error, as a reset is.
            self.socket = service.context.wrap_socket(
                self.socket, server_hostname="127.0.0.1", suppress_ragged_eofs=False
            )
        self.socket.sendall(
            f"GET /exports/{export_id}/{what} HTTP/{version}\r\nHost: localhost\r\n{headers}\r\n".encode()
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def read_some(self, size: int) -> bytes:
        """At least so many bytes."""
        data = b""
        while len(data) < size:
            piece = self.socket.recv(65536)
            assert piece, f"the connection ended after {len(data)} bytes"
            data += piece
        return data

    def read_to_end(self) -> bytes:
        """Everything until the body ends or the peer closes; raises ConnectionResetError when it resets.

        A connection stays open behind an answer that is whole, so its close is not waited for.
        """
        data = bytearray()
        while not _is_whole(data) and (piece := self.socket.recv(65536)):
            data += piece
        return bytes(data)


def _is_whole(data: bytearray) -> bool:
    """Whether a chunked body has ended, or an answer that was read from its start has the length that it tells."""
    if data.endswith(b"\r\n0\r\n\r\n"):
        return True
    head, ended, body = bytes(data[:4096]).partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
    return bool(ended) and head.startswith(b"HTTP/") and length is not None and len(body) >= int(length[1])
