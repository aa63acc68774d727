"""How the tests run the app behind other people's servers, and log in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fixtures.process import environment, free_port
from tests.service.client import Answer, call, wait_for

ROOT = Path(__file__).parents[2]
TENANT = {"column": "tenant", "op": "=", "value": 3}


@dataclass(frozen=True)
class App:
    """A running app."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    output: Path

    @property
    def speaks_http_2(self) -> bool:
        """Whether its server does, without TLS."""
        return "hypercorn" in self.process.args  # type: ignore[operator]

    def log(self) -> str:
        """What it has printed up to now."""
        return self.output.read_text(errors="replace")


def uvicorn(port: int, app: str = "tests.mounted.app:app", *options: str) -> list[str]:
    """How people start uvicorn."""
    return [sys.executable, "-m", "uvicorn", app, "--port", str(port), *options]


def hypercorn(port: int) -> list[str]:
    """How people start hypercorn."""
    return [sys.executable, "-m", "hypercorn", "tests.mounted.app:app", "--bind", f"127.0.0.1:{port}"]


@contextmanager
def running(command: Sequence[str], port: int, dsn: str, config: object, **settings: object) -> Iterator[App]:
    """Run the app until the block ends, and see that it ends in an orderly way."""
    given = json.dumps({"config": config, "settings": settings})
    env = environment(dsn, {"MOUNTED": given})
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), env["PYTHONPATH"]])
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output.log"
        with output.open("wb") as sink:
            process = subprocess.Popen(command, env=env, stdout=sink, stderr=subprocess.STDOUT, cwd=folder)
        app = App(f"http://127.0.0.1:{port}", port, process, output)

        def is_up() -> bool:
            assert process.poll() is None, app.log()
            try:
                return call(f"{app.url}/data", "/health/live").status == 200
            except OSError:
                return False

        try:
            wait_for(is_up)
            yield app
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise AssertionError(f"the app did not end:\n{app.log()}") from None


@contextmanager
def mounted(dsn: str, config: object, **settings: object) -> Iterator[App]:
    """The app behind uvicorn."""
    port = free_port()
    with running(uvicorn(port), port, dsn, config, **settings) as app:
        yield app


def login(name: str = "ann", **rights: object) -> dict[str, str]:
    """The header by which the app knows a caller."""
    return {"Login": json.dumps({"name": name, "datasets": "all", **rights})}


def ask(app: App, path: str, who: Mapping[str, str], **more: Any) -> Answer:
    """A request to the mounted service."""
    headers = {**who, **more.pop("headers", {})}
    return call(f"{app.url}/data", path, headers=headers, **more)


def create(app: App, who: Mapping[str, str], **spec: object) -> Answer:
    """``POST /exports``."""
    body = json.dumps({"format": "csv", **spec}).encode()
    return ask(app, "/exports", who, method="POST", body=body, headers={"Content-Type": "application/json"})


def created(app: App, who: Mapping[str, str], **spec: object) -> str:
    """The id of a new export."""
    answer = create(app, who, **spec)
    assert answer.status == 201, answer
    return str(answer.json()["exportId"])


def download(app: App, who: Mapping[str, str], **spec: object) -> bytes:
    """The file of a new export."""
    answer = ask(app, f"/exports/{created(app, who, **spec)}/download", who)
    assert answer.status == 200, answer
    return answer.body
