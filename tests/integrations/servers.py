"""The web servers of the matrix, each with applications of ``apps/``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests.cli.helpers import wait_until
from tests.fixtures.process import environment, free_port

__all__ = ["ASGI_SHAPES", "SERVERS", "WSGI_SHAPES", "Server", "running", "server_of"]

ROOT = Path(__file__).parents[2]
ASGI_SHAPES = ("plain", "between", "guarded", "guarded_between", "django", "guarded_django")
WSGI_SHAPES = ("wsgi",)


@dataclass(frozen=True)
class Server:
    """One way to run an application."""

    name: str
    """For the table."""
    package: str
    arguments: tuple[str, ...]
    """``{port}`` is put in."""
    shapes: tuple[str, ...] = ASGI_SHAPES
    """The applications that it has."""
    http2: bool = False
    """Whether it speaks HTTP/2 without TLS."""

    @property
    def version(self) -> str:
        """Of its package."""
        return version(self.package)

    def path(self, shape: str, rest: str) -> str:
        """Where something of an application is."""
        return f"/{rest}" if self.shapes == WSGI_SHAPES else f"/{shape}/{rest}"


_BIND = ("--bind", "127.0.0.1:{port}")
_APPS = "tests.integrations.apps"
_APP = f"{_APPS}.asgi_app:app"
_WSGI = f"{_APPS}.django_app:wsgi"
SERVERS = (
    Server("uvicorn (h11)", "uvicorn", ("-m", "uvicorn", "--http", "h11", "--port", "{port}", _APP)),
    Server("uvicorn (httptools)", "uvicorn", ("-m", "uvicorn", "--http", "httptools", "--port", "{port}", _APP)),
    Server("hypercorn", "hypercorn", ("-m", "hypercorn", *_BIND, _APP), http2=True),
    Server(
        "granian",
        "granian",
        ("-m", "granian", "--interface", "asgi", "--port", "{port}", "--no-ws", _APP),
        http2=True,
    ),
    Server(
        "gunicorn (uvicorn-worker)",
        "gunicorn",
        ("-m", "gunicorn", "-k", "uvicorn_worker.UvicornWorker", *_BIND, _APP),
    ),
    Server("daphne", "daphne", ("-m", "daphne", "-p", "{port}", _APP)),
    Server("gunicorn (sync)", "gunicorn", ("-m", "gunicorn", *_BIND, _WSGI), WSGI_SHAPES),
    Server(
        "gunicorn (gthread)",
        "gunicorn",
        ("-m", "gunicorn", "-k", "gthread", "--threads", "4", *_BIND, _WSGI),
        WSGI_SHAPES,
    ),
    Server(
        "Django's runserver",
        "django",
        ("-m", f"{_APPS}.django_app", "runserver", "--noreload", "127.0.0.1:{port}"),
        WSGI_SHAPES,
    ),
)


def server_of(name: str) -> Server:
    """By its name."""
    return next(server for server in SERVERS if server.name == name)


@contextmanager
def running(server: Server, dsn: str, extra: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of a server that runs until the block ends."""
    port = free_port()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, *(each.format(port=port) for each in server.arguments)],
            cwd=ROOT,
            env=environment(dsn, {"PYTHONPATH": f"{ROOT / 'python'}{os.pathsep}{ROOT}", **(extra or {})}),
            stdout=output,
            stderr=subprocess.STDOUT,
        )

        def log() -> str:
            output.seek(0)
            return output.read().decode(errors="replace")

        def is_up() -> bool:
            assert process.poll() is None, log()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{server.path('plain', '')}", timeout=10).close()
            except urllib.error.HTTPError as error:
                error.close()
                raise AssertionError(log()) from None
            except OSError:
                return False
            return True

        try:
            wait_until(is_up)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=30)
