"""More connections than there are places: who works goes on, probes are answered, and the log says so."""

from __future__ import annotations

import contextlib
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyglot_export.errors import SpecError
from polyglot_export.service.http.client_connections import connection_limit
from tests.fixtures.process import Service, cli, serve
from tests.service.client import RawDownload, call, create, wait_for, wait_until_stalled
from tests.service.raw import GET, ask, connect, read_all

PACKAGE = Path(__file__).parents[2] / "python"
CLOSE = "Connection: close\r\n"
DATASETS = b"GET /datasets HTTP/1.1\r\nHost: localhost\r\n\r\n"


def turned_away(service: Service) -> dict[str, int]:
    """The counter by its reasons."""
    prefix = "polyglot_clients_turned_away_total{reason="
    lines = [line for line in call(service, "/metrics").body.decode().splitlines() if line.startswith(prefix)]
    return {line.split('"')[1]: int(float(line.split()[-1])) for line in lines}


@contextlib.contextmanager
def descriptors(number: int) -> Iterator[None]:
    """Meanwhile a child may have no more descriptors than this."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def idle(service: Service, number: int) -> Iterator[list[socket.socket]]:
    """Connections that ask for nothing."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connect(service)) for _ in range(number)]


def test_more_idle_connections_than_descriptors() -> None:
    with contextlib.ExitStack() as stack:
        with descriptors(200):
            # A fork would have the limit of the process that it is of.
            service = stack.enter_context(serve("host=127.0.0.1 port=1", fresh=True))
        with idle(service, 600):
            # Those that have just come keep their places for a moment.
            wait_for(lambda: _status_or_none(service) == 200)
            for _ in range(5):
                assert call(service, "/health/live").status == 200
            numbers = call(service, "/metrics").body.decode()
            assert "polyglot_client_connections_limit 100.0" in numbers
            (now,) = [line for line in numbers.splitlines() if line.startswith("polyglot_client_connections ")]
            assert float(now.split()[1]) <= 100
            assert "clients were turned away" in service.log()
            assert "limit=100" in service.log()
            assert "Too many open files" not in service.log()
        wait_for(lambda: call(service, "/docs").status == 200)


def test_an_idle_connection_gives_its_place(tmp_path: Path) -> None:
    """The one that has been idle for longest; who comes gets all that it asks for."""
    (tmp_path / "sitecustomize.py").write_text(
        "import polyglot_export.service.http.client_connections as c\nc.EVICTABLE_SECONDS = 0.0\n"
    )
    environment = {"PYTHONPATH": f"{tmp_path}:{PACKAGE}"}
    with serve("host=127.0.0.1 port=1", max_clients=8, env=environment) as service, idle(service, 7) as waiting:
        for _ in range(3):
            assert call(service, "/docs").status == 200
        assert read_all(waiting[0]) == b""
        waiting[6].sendall(GET)
        assert waiting[6].recv(65536).startswith(b"HTTP/1.1 200 ")
        counted = turned_away(service)
    assert counted["idle"] >= 1
    assert counted["refused"] == counted["memory"] == 0


def test_a_flood_of_silent_connections_refuses_no_probe(tmp_path: Path, records: str) -> None:
    """A probe that has just come is given the time in which its request arrives."""
    (tmp_path / "sitecustomize.py").write_text(
        "import polyglot_export.service.http.acceptor as a\na.LOOK_AGAIN_SECONDS = 2.0\na.SILENT = 4\n"
    )
    environment = {"PYTHONPATH": f"{tmp_path}:{PACKAGE}"}
    with serve(records, max_clients=9, workers=1, env=environment) as service, contextlib.ExitStack() as stack:
        made = [create(service) for _ in range(8)]
        wait_for(lambda: b"polyglot_client_connections 1.0" in metrics_to_the_end(service))
        for each in made:
            stack.enter_context(RawDownload(service, each, headers=CLOSE)).read_some(1000)
        # The last place is taken by one that waits with it.
        stack.enter_context(idle(service, 6))
        with connect(service) as probe:
            # Accepted before it says anything.
            time.sleep(0.3)
            probe.sendall(GET)
            assert probe.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_the_last_places_are_for_probes(records: str) -> None:
    """All others are at work, and none of them is disturbed."""
    with serve(records, max_clients=9, workers=1, slow_client_timeout=300) as service, contextlib.ExitStack() as stack:
        made = [create(service) for _ in range(8)]
        # The connections of these calls are gone, and so is the one that asked, once the service has closed it.
        wait_for(lambda: b"polyglot_client_connections 1.0" in metrics_to_the_end(service))
        downloads = [stack.enter_context(RawDownload(service, each, headers=CLOSE)) for each in made]
        for download in downloads:
            download.read_some(1000)
        assert call(service, "/health/live").status == 200
        status, problem = ask(service, DATASETS)
        assert (status, problem["code"]) == (503, "overloaded")
        with connect(service) as probe:
            probe.sendall(GET)
            assert probe.recv(65536).startswith(b"HTTP/1.1 200 ")
            with connect(service) as raw:
                assert b"HTTP/1.1 503 " in read_all(raw)
        wait_for(lambda: turned_away(service)["refused"] == 2)
        assert "clients were turned away" in service.log()
        downloads[0].socket.close()
        wait_for(lambda: ask_once(service) == 200)
        for download in downloads[1:]:
            assert download.read_to_end().endswith(b"\r\n0\r\n\r\n")


def metrics_to_the_end(service: Service) -> bytes:
    with connect(service) as raw:
        raw.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return read_all(raw)


def ask_once(service: Service) -> int:
    return ask(service, DATASETS.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))[0]


def test_probes_do_not_keep_their_places(tmp_path: Path, records: str) -> None:
    """Who takes one and says nothing loses it soon."""
    (tmp_path / "sitecustomize.py").write_text(
        "import polyglot_export.service.http.client_connections as c\nc.EVICTABLE_SECONDS = c.SILENT_EVICTABLE_SECONDS = 3600.0\n"
        "import polyglot_export.service.http.protocol as p\np.PROBE_SECONDS = 0.5\n"
    )
    environment = {"PYTHONPATH": f"{tmp_path}:{PACKAGE}"}
    with serve(records, max_clients=9, env=environment) as service, idle(service, 9):
        wait_for(lambda: _status_or_none(service) == 200)


def _status_or_none(service: Service) -> int | None:
    try:
        return call(service, "/health/live").status
    except OSError:
        return None


def test_the_limit() -> None:
    memory = 256 << 20
    with descriptors(1024):
        assert connection_limit(None, memory) == 768
        assert connection_limit(500, memory) == 500
        with pytest.raises(SpecError, match=r"POLYGLOT_MAX_CLIENTS.*1024 descriptors.*768 are allowed"):
            connection_limit(769, memory)
    with descriptors(128):
        assert connection_limit(None, memory) == 64


def test_more_than_the_descriptors_are_enough_for_is_wrong_use() -> None:
    done = cli("serve", "--port", "0", dsn="host=127.0.0.1 port=1", env={"POLYGLOT_MAX_CLIENTS": "100000000"})
    assert done.returncode == 2
    assert b"POLYGLOT_MAX_CLIENTS" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_stalled_download_is_no_idle_connection(records: str) -> None:
    """It is at work, however long its client takes nothing."""
    with serve(records, max_clients=8, slow_client_timeout=300) as service:
        export_id = create(service)
        with RawDownload(service, export_id, headers=CLOSE) as download:
            wait_until_stalled(service, export_id)
            with idle(service, 20):
                assert download.read_to_end().endswith(b"\r\n0\r\n\r\n")


def test_a_probe_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    """All places are taken by those who are silent: it takes the place of one of them at once."""
    (tmp_path / "sitecustomize.py").write_text(
        "import polyglot_export.service.http.client_connections as c\n"
        "c.EVICTABLE_SECONDS = c.SILENT_EVICTABLE_SECONDS = 3600.0\n"
        "import polyglot_export.service.http.protocol as p\np.PROBE_SECONDS = 3600.0\n"
    )
    environment = {"PYTHONPATH": f"{tmp_path}:{PACKAGE}"}
    with serve("host=127.0.0.1 port=1", max_clients=9, env=environment) as service, idle(service, 12):
        wait_for(lambda: "clients were turned away" in service.log())
        wait_for(lambda: _status_or_none(service) == 200)
        status, problem = ask(service, DATASETS)
        assert (status, problem["code"]) == (503, "overloaded")
