"""A receiver of webhooks for the tests: a small HTTP server that notes what it gets and answers as it is told.

It checks signatures by itself, from the text of Standard Webhooks and with nothing of the service.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.service.client import wait_for

Answer = Callable[[BaseHTTPRequestHandler], None]


def new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def answer(status: int, **headers: str) -> Answer:
    """Answer with a status and nothing else."""

    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return send


@dataclass
class Delivery:
    """A request that the receiver got."""

    path: str
    headers: Message
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def id(self) -> str:
        return str(self.headers["webhook-id"])

    def json(self) -> Any:
        return json.loads(self.body)

    def is_signed(self, secret: str) -> bool:
        """Whether one of its signatures is right: v1 is HMAC-SHA256 of "id.timestamp.body", in Base64."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        stamp = self.headers["webhook-timestamp"]
        assert abs(int(stamp) - time.time()) < 300
        signed = self.id.encode() + b"." + stamp.encode() + b"." + self.body
        expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return expected in str(self.headers["webhook-signature"]).split(" ")


class Receiver:
    """The server; ``with Receiver() as receiver``.

    Attributes:
        secret: What its messages are signed with.
        deliveries: What it got, oldest first.
        answers: What it answers to the next requests; then ``otherwise``.
    """

    def __init__(self, *answers: Answer, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        self.secret = new_secret()
        self.deliveries: list[Delivery] = []
        self.answers = list(answers)
        self.otherwise = answer(204)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.deliveries.append(Delivery(self.path, self.headers, body))
                (receiver.answers.pop(0) if receiver.answers else receiver.otherwise)(self)

            do_GET = do_POST  # noqa: N815 - a redirect that is followed would come as one

            def log_message(self, *_: object) -> None:
                pass

            def handle(self) -> None:
                try:
                    super().handle()
                except OSError:
                    self.close_connection = True

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A sender that leaves early is what some tests are about."""

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.scheme = "http"
        if context is not None:
            self.scheme = "https"
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def table(self, name: str = "hook", *, delays: str = "[0.05, 0.05, 0.05]", more: str = "") -> str:
        """The table of the configuration that names it."""
        return (
            f'\n[webhooks.{name}]\nurl = "{self.scheme}://127.0.0.1:{self.port}/in?a=b"\n'
            f'secret = "{self.secret}"\nretry_delays = {delays}\n{more}\n'
        )

    def wait_for(self, count: int) -> list[Delivery]:
        """Wait until so many requests have come; gives all."""
        wait_for(lambda: len(self.deliveries) >= count)
        return self.deliveries


def never(handler: BaseHTTPRequestHandler) -> None:
    """Take the request and say nothing, until the sender leaves."""
    handler.connection.settimeout(30)
    handler.connection.recv(1)
    handler.close_connection = True


def huge(handler: BaseHTTPRequestHandler) -> None:
    """Answer 200 with a body that does not end, until the sender leaves."""
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True
    while True:
        handler.wfile.write(b"x" * 65536)


def endless_head(handler: BaseHTTPRequestHandler) -> None:
    """Answer with headers that do not end."""
    handler.close_connection = True
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"X-More: " + b"y" * 1000 + b"\r\n")


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Close without an answer."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)
