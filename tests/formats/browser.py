"""A real browser as a reader: headless Chromium fetches addresses and hands back what its own decoder made of them.

A page of a small server of the test fetches each address and posts the decoded body, or the error, back to that server.
"""

from __future__ import annotations

import http.server
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import unquote

import pytest

from tests.fixtures.process import free_port

__all__ = ["Fetched", "fetch", "page_origin"]

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser")
"""In the order of preference; ``tools/system-packages.sh`` installs the first when none is there."""
FETCH_SECONDS = 60.0
"""Limit for the start of the browser and all its fetches; together they take about a second."""
END_SECONDS = 10.0
"""How long it may take to be gone; it takes a few milliseconds."""

_PAGE: Final = """<!DOCTYPE html><script type="module">
for (const [name, address] of Object.entries(ADDRESSES)) {
    let status = 0, kind = "body", found;
    try {
        const answer = await fetch(address);
        status = answer.status;
        found = await answer.arrayBuffer();
    } catch (error) {
        kind = "error";
        found = String(error);
    }
    await fetch(`/${kind}/${status}/${encodeURIComponent(name)}`, {method: "POST", body: found});
}
await fetch("/done/0/", {method: "POST", body: ""});
</script>"""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What the browser made of one address."""

    status: int
    """Of the answer; 0 where there was none."""
    body: bytes
    """Decoded."""
    error: str | None
    """What ``fetch`` or ``arrayBuffer`` threw."""


def page_origin() -> tuple[int, str]:
    """A free port for the page of :func:`fetch`, and the origin that a service must allow for it."""
    port = free_port()
    return port, f"http://127.0.0.1:{port}"


def fetch(addresses: Mapping[str, str], port: int) -> dict[str, Fetched]:
    """Fetch each address in a fresh browser, one after the other; the keys name the results.

    Args:
        addresses: Of services that allow the origin of the page.
        port: Of the page.

    Raises:
        AssertionError: The browser did not finish in :data:`FETCH_SECONDS`.
    """
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.exit("Chromium is missing; tools/system-packages.sh installs it", returncode=3)
    with _Desk(addresses, port) as desk, tempfile.TemporaryDirectory(prefix="polyglot-browser-") as profile:
        command = [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", f"--user-data-dir={profile}",
            f"http://127.0.0.1:{desk.server_port}/",
        ]  # fmt: skip
        with Path(profile, "log").open("w+b") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
            try:
                finished = desk.done.wait(FETCH_SECONDS)
            finally:
                _end(process)
            log.seek(0)
            assert finished, f"the browser had not finished after {FETCH_SECONDS:g} s: {log.read()[-2000:]!r}"
    return desk.found


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the group: the program may be a script that waits for the browser, and the browser has helper processes.

    All of them hold the pipe, so its end says that all are gone; after that nobody writes into the profile.
    """
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=END_SECONDS)


class _Desk(http.server.ThreadingHTTPServer):
    """Hands out the page and takes the results."""

    daemon_threads = True

    def __init__(self, addresses: Mapping[str, str], port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.page = _PAGE.replace("ADDRESSES", json.dumps(dict(addresses))).encode()
        self.found: dict[str, Fetched] = {}
        self.done = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that is killed resets its connections; what matters is in :attr:`found`."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Desk

    def do_GET(self) -> None:
        is_page = self.path == "/"
        self._answer(200 if is_page else 404, self.server.page if is_page else b"")

    def do_POST(self) -> None:
        _, kind, status, name = self.path.split("/")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if kind == "done":
            self.server.done.set()
        elif kind == "error":
            self.server.found[unquote(name)] = Fetched(int(status), b"", body.decode())
        else:
            self.server.found[unquote(name)] = Fetched(int(status), body, None)
        self._answer(200, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""
