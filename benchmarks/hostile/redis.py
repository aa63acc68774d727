"""A Redis for the replicas of an attack; it keeps nothing."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from polyglot_export.testing.postgres import free_port

__all__ = ["NoRedis", "redis_server"]

READY_SECONDS = 20.0
STOP_SECONDS = 10.0


class NoRedis(Exception):
    """There is no redis-server here, or it did not start; one sentence says so."""


@contextmanager
def redis_server() -> Iterator[str]:
    """Start one on 127.0.0.1; gives its URL.

    Raises:
        NoRedis: It cannot be started.
    """
    program = shutil.which("redis-server")
    if program is None:
        raise NoRedis("redis-server is missing; tools/system-packages.sh installs it")
    port = free_port("127.0.0.1")
    with tempfile.TemporaryDirectory(prefix="polyglot-redis-") as folder:
        process = subprocess.Popen(
            [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        try:
            _wait(process, port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait(timeout=STOP_SECONDS)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as sock:
                sock.sendall(b"PING\r\n")
                if sock.recv(16).startswith(b"+PONG"):
                    return
        except OSError:
            time.sleep(0.05)
    raise NoRedis("redis-server did not start")
