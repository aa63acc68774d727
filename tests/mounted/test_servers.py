"""Behind servers that are not ours: a failed export is a broken transfer, and the service begins and ends with its app."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from starlette.types import Message

from polyglot_export.integrations import asgi
from tests.fixtures.process import free_port
from tests.mounted.conftest import offering
from tests.mounted.running import App, ask, created, download, hypercorn, login, running, uvicorn
from tests.service.client import GONE_SECONDS, backends, kill_backends, wait_for

ANN = login()
BIG = """
CREATE TABLE big (id int, filling text);
INSERT INTO big SELECT g, repeat(md5(g::text), 64) FROM generate_series(1, 20000) AS g;
"""
"""40 MB: more than the sockets and buffers between a server process of PostgreSQL and a client that reads nothing."""


@pytest.fixture(scope="module")
def big(data: str) -> str:
    """The database with a large table."""
    with psycopg.connect(data, autocommit=True) as connection:
        connection.execute(BIG.encode())
    return data


@pytest.fixture(scope="module", params=[uvicorn, hypercorn])
def served(request: pytest.FixtureRequest, big: str, lake: Path) -> Iterator[App]:
    """The app behind each server."""
    port = free_port()
    config = offering(lake)
    config["datasets"]["big"] = {"table": "public.big"}
    with running(request.param(port), port, big, config, workers=2, slow_client_timeout=2) as app:
        yield app


def curl(app: App, path: str, *options: str) -> list[str]:
    """As a person would download."""
    return ["curl", "-sS", *options, "-H", f"Login: {ANN['Login']}", f"{app.url}/data{path}"]


def status(app: App, export_id: str) -> str:
    """Of an export."""
    return str(ask(app, f"/exports/{export_id}", ANN).json()["status"])


def error(app: App, export_id: str) -> str:
    """Why an export has failed."""
    return str(ask(app, f"/exports/{export_id}", ANN).json()["error"]["code"])


@contextmanager
def slowly(app: App, export_id: str, target: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A download that does not end by itself within the test, and has begun."""
    command = curl(app, f"/exports/{export_id}/download", *options, "--limit-rate", "6M", "-o", str(target))
    with subprocess.Popen(command, stderr=subprocess.PIPE) as client:
        try:
            wait_for(lambda: target.exists() and target.stat().st_size > 100_000)
            yield client
        finally:
            client.kill()


def complaint(client: subprocess.Popen[bytes]) -> str:
    """What the client has said at its end."""
    assert client.stderr is not None
    return client.stderr.read().decode()


def test_a_backend_that_dies_breaks_the_transfer(served: App, big: str, tmp_path: Path) -> None:
    export_id = created(served, ANN, dataset="big")
    with slowly(served, export_id, tmp_path / "big.csv") as client:
        assert kill_backends(big, export_id) >= 2
        said = complaint(client)
    # The body has no end.
    assert client.returncode == 18, said
    # Not every server sees that an answer is not complete; all see an app that raises.
    wait_for(lambda: "BrokenTransfer: an export failed after its answer had begun" in served.log())
    wait_for(lambda: status(served, export_id) == "failed")
    assert error(served, export_id) == "database-lost"


def test_over_http_2(served: App) -> None:
    if served.speaks_http_2:
        export_id = created(served, ANN, dataset="people")
        h2 = ("--http2-prior-knowledge", "-w", "\n%{http_version} %{http_code}")
        whole = subprocess.run(curl(served, f"/exports/{export_id}/download", *h2), stdout=subprocess.PIPE, check=True)
        assert whole.stdout == b"id,name\n1,ann\n2,bob\n\n2 200"
        # An answer that closes the connection where there is only one.
        form = ("-X", "POST", "-H", "Content-Type: application/json", "--data-binary", "@-")
        command = curl(served, "/exports", *h2, *form)
        large = subprocess.run(command, stdout=subprocess.PIPE, input=b" " * (2 << 20), check=False)
        assert large.stdout.endswith(b"2 413"), large


def test_a_whole_file_is_whole(served: App, big: str, tmp_path: Path) -> None:
    for delivery in ("stream", "file"):
        export_id = created(served, ANN, dataset="big", delivery=delivery)
        if delivery == "file":
            wait_for(lambda export_id=export_id: status(served, export_id) == "completed")  # type: ignore[misc]
        target = tmp_path / delivery
        subprocess.run(curl(served, f"/exports/{export_id}/download", "-o", str(target)), check=True, timeout=60)
        with psycopg.connect(big) as connection:
            (size,) = connection.execute("SELECT 11 + sum(length(id::text) + length(filling) + 2) FROM big").fetchone()  # type: ignore[misc]
        assert target.stat().st_size == size
        wait_for(lambda export_id=export_id: status(served, export_id) == "completed")  # type: ignore[misc]


def test_a_client_that_leaves_ends_the_query(served: App, big: str, tmp_path: Path) -> None:
    export_id = created(served, ANN, dataset="big")
    with slowly(served, export_id, tmp_path / "big.csv") as client:
        client.kill()
    wait_for(lambda: not backends(big, export_id), seconds=GONE_SECONDS)
    wait_for(lambda: status(served, export_id) == "cancelled")


def test_a_client_that_takes_nothing_is_cut_off(served: App, big: str) -> None:
    export_id = created(served, ANN, dataset="big")
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        head = f"GET /data/exports/{export_id}/download HTTP/1.1\r\nHost: x\r\nLogin: {ANN['Login']}\r\n\r\n"
        client.sendall(head.encode())
        wait_for(lambda: status(served, export_id) == "failed")
        assert error(served, export_id) == "slow-client"
        wait_for(lambda: not backends(big, export_id), seconds=GONE_SECONDS)


def test_http_1_0_is_refused(served: App) -> None:
    export_id = created(served, ANN, dataset="people")
    done = subprocess.run(
        curl(served, f"/exports/{export_id}/download", "--http1.0", "-o", "/dev/null", "-w", "%{http_code}"),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == b"426"


def test_the_end_of_the_app_in_the_middle_of_a_download(big: str, tmp_path: Path) -> None:
    port = free_port()
    config = {"datasets": {"big": {"table": "public.big"}}}
    command = uvicorn(port, "tests.mounted.app:app", "--timeout-graceful-shutdown", "1")
    with running(command, port, big, config, workers=2) as app:
        export_id = created(app, ANN, dataset="big")
        waiting = created(app, ANN, dataset="big", delivery="file", limit=1)
        wait_for(lambda: status(app, waiting) == "completed")
        with slowly(app, export_id, tmp_path / "big.csv") as client:
            app.process.send_signal(signal.SIGTERM)
            said = complaint(client)
        assert client.returncode == 18, said
        assert app.process.wait(timeout=30) == -signal.SIGTERM
        assert "the app has ended" in app.log()
        wait_for(lambda: not backends(big, export_id), seconds=GONE_SECONDS)


@pytest.mark.parametrize("name", ["with_middleware", "cut_broken"])
def test_a_middleware_that_would_hide_a_cut(big: str, name: str, tmp_path: Path) -> None:
    port = free_port()
    config = {"datasets": {"big": {"table": "public.big"}}}
    with running(uvicorn(port, f"tests.mounted.app:{name}"), port, big, config, workers=2) as app:
        export_id = created(app, ANN, dataset="big")
        with slowly(app, export_id, tmp_path / "big.csv") as client:
            assert kill_backends(big, export_id) >= 2
            said = complaint(client)
        if name == "cut_broken":
            assert client.returncode == 18, said
            assert "wrap the app" not in app.log()
        else:
            # What comes to the client is not ours to decide; that it may be wrong is said.
            assert app.log().count("wrap the app: app = CutBroken(app)") == 1


def test_behind_a_router_that_is_none(data: str, lake: Path) -> None:
    port = free_port()
    with running(uvicorn(port, "tests.mounted.app:plain"), port, data, offering(lake)) as app:
        assert download(app, ANN, dataset="people") == b"id,name\n1,ann\n2,bob\n"
        assert ask(app, "/datasets", {}).status == 401


def test_beside_django_with_its_session(data: str, lake: Path) -> None:
    port = free_port()
    with (
        running(uvicorn(port, "tests.mounted.beside_django:application"), port, data, offering(lake)) as app,
        httpx.Client(base_url=app.url) as browser,
    ):
        assert browser.get("/data/datasets").status_code == 401
        assert browser.get("/log-in/ann").text == "hello ann"
        assert [each["name"] for each in browser.get("/data/datasets").json()["datasets"]] == ["people"]
        place = browser.post("/data/exports", json={"format": "csv", "dataset": "people"}).headers["location"]
        assert browser.get(f"{place}/download").content == b"id,name\n1,ann\n2,bob\n"


def test_no_websockets_and_no_beginning_twice() -> None:
    service = asgi(
        {"datasets": {"people": {"table": "people"}}}, caller=lambda _: None, database_url="host=nowhere.invalid"
    )
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def trying() -> None:
        await service({"type": "websocket", "path": "/datasets"}, receive, send)
        async with service.lifespan():
            with pytest.raises(RuntimeError, match="run already"):
                async with service.lifespan():
                    pass
        # Once it has ended it may begin again, as in the tests of an app.
        async with service.lifespan():
            pass

    asyncio.run(trying())
    assert sent == [{"type": "websocket.close", "code": 1000}]
