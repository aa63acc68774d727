"""The web servers of the matrix, each with an application of ``apps/``."""

from __future__ import annotations

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

__all__ = ["SERVERS", "Server", "running"]

APPS = Path(__file__).parent / "apps"
_ASGI = ("star_app:plain", "star_app:between", "star_app:guarded", "star_app:guarded_between")


@dataclass(frozen=True)
class Server:
    """One way to run an application."""

    name: str
    """For the table."""
    package: str
    arguments: tuple[str, ...]
    """``{port}`` and ``{app}`` are put in."""
    apps: tuple[str, ...]
    """What it can run, as ``module:name``."""
    variables: Mapping[str, str] | None = None

    @property
    def version(self) -> str:
        """Of its package."""
        return version(self.package)

    def command(self, app: str, port: int) -> list[str]:
        """How it is started."""
        return [sys.executable, *(each.format(port=port, app=app) for each in self.arguments)]


_BIND = ("--bind", "127.0.0.1:{port}")
_DJANGO = ("django_app:plain", "django_app:guarded")
_GRANIAN = ("-m", "granian", "--interface", "asgi", "--port", "{port}", "--no-ws")
SERVERS = (
    Server("uvicorn, h11", "uvicorn", ("-m", "uvicorn", "--http", "h11", "--port", "{port}", "{app}"), _ASGI + _DJANGO),
    Server(
        "uvicorn, httptools", "uvicorn", ("-m", "uvicorn", "--http", "httptools", "--port", "{port}", "{app}"), _ASGI
    ),
    Server("hypercorn", "hypercorn", ("-m", "hypercorn", *_BIND, "{app}"), _ASGI + _DJANGO),
    Server("granian", "granian", (*_GRANIAN, "{app}"), _ASGI + _DJANGO),
    Server(
        "gunicorn, uvicorn-worker",
        "gunicorn",
        ("-m", "gunicorn", "-k", "uvicorn_worker.UvicornWorker", *_BIND, "{app}"),
        _ASGI,
    ),
    Server("daphne", "daphne", ("-m", "daphne", "-p", "{port}", "{app}"), _ASGI + _DJANGO),
    Server("gunicorn, sync", "gunicorn", ("-m", "gunicorn", *_BIND, "{app}"), ("django_app:wsgi",)),
    Server(
        "gunicorn, gthread",
        "gunicorn",
        ("-m", "gunicorn", "-k", "gthread", "--threads", "4", *_BIND, "{app}"),
        ("django_app:wsgi",),
    ),
    Server(
        "runserver", "django", ("django_app.py", "runserver", "--noreload", "127.0.0.1:{port}"), ("django_app:wsgi",)
    ),
)


@contextmanager
def running(server: Server, app: str, dsn: str, extra: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of a server that runs until the block ends."""
    port = free_port()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            server.command(app, port), cwd=APPS, env=environment(dsn, extra), stdout=output, stderr=subprocess.STDOUT
        )

        def log() -> str:
            output.seek(0)
            return output.read().decode(errors="replace")

        def is_up() -> bool:
            assert process.poll() is None, log()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).close()
            except urllib.error.HTTPError as error:
                raise AssertionError(log()) from error
            except OSError:
                return False
            return True

        try:
            wait_until(is_up)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=30)
