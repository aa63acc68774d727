"""Nobody reads any more: the query ends soon, whatever it is doing, and without the garbage collector."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.fixtures.process import Service, serve
from tests.service.client import (
    GONE_SECONDS,
    RawDownload,
    backends,
    create,
    job,
    wait_for,
    wait_for_status,
    wait_until_stalled,
)


def leave_by_close(download: RawDownload) -> None:
    """FIN, or RST when bytes are unread: what the end of a client's process does."""
    download.socket.close()


def leave_by_half_close(download: RawDownload) -> None:
    """FIN with the socket kept open: counts as gone, since it will never ask for anything again."""
    download.socket.shutdown(1)


WAYS = pytest.mark.parametrize("leave", [leave_by_close, leave_by_half_close])
Leave = Callable[[RawDownload], None]


def assert_cancelled(dsn: str, service: Service, export_id: str) -> None:
    """The export has no server process any more, and the job tells why."""
    assert wait_for(lambda: not backends(dsn, export_id)) < GONE_SECONDS
    seen = wait_for_status(service, export_id, "cancelled")
    assert seen["error"]["code"] == "client-gone"


@WAYS
def test_while_it_is_streamed(records: str, service: Service, leave: Leave) -> None:
    export_id = create(service)
    with RawDownload(service, export_id) as download:
        download.read_some(1 << 20)
        leave(download)
        assert_cancelled(records, service, export_id)


@WAYS
def test_while_the_client_takes_nothing(records: str, service: Service, leave: Leave) -> None:
    export_id = create(service)
    with RawDownload(service, export_id) as download:
        download.read_some(1000)
        wait_until_stalled(service, export_id)
        assert len(backends(records, export_id)) >= 2
        leave(download)
        assert_cancelled(records, service, export_id)


@WAYS
def test_while_it_waits_for_the_first_row(records: str, service: Service, leave: Leave) -> None:
    export_id = create(service, dataset="slow")
    with RawDownload(service, export_id) as download:
        wait_for(lambda: _sleeping(records, export_id))
        leave(download)
        assert_cancelled(records, service, export_id)


@WAYS
def test_while_the_leader_waits_for_a_lock(records: str, service: Service, leave: Leave) -> None:
    export_id = create(service, dataset="small")
    with psycopg.connect(records) as blocker:
        blocker.execute("LOCK TABLE small IN ACCESS EXCLUSIVE MODE")
        with RawDownload(service, export_id) as download:
            wait_for(lambda: _waits_for_lock(records, export_id))
            leave(download)
            assert_cancelled(records, service, export_id)


@pytest.fixture
def service_without_gc(records: str, tmp_path: Path) -> Iterator[Service]:
    """A service whose garbage collector is off: what is closed is closed on purpose."""
    (tmp_path / "sitecustomize.py").write_text("import gc\ngc.disable()\nprint('the collector is off', flush=True)\n")
    package = Path(__file__).parents[2] / "python"
    with serve(records, env={"PYTHONPATH": f"{tmp_path}:{package}"}, workers=2) as running:
        assert "the collector is off" in running.log()
        yield running


def test_without_the_garbage_collector(records: str, service_without_gc: Service) -> None:
    for _ in range(5):
        export_id = create(service_without_gc)
        with RawDownload(service_without_gc, export_id) as download:
            download.read_some(1000)
        assert_cancelled(records, service_without_gc, export_id)
    wait_for(lambda: _open_files(service_without_gc) < 40)


def test_a_slow_client_that_moves_is_not(records: str) -> None:
    with serve(records, slow_client_timeout=3, workers=2) as service:
        export_id = create(service)
        with RawDownload(service, export_id) as download:
            started = time.monotonic()
            while time.monotonic() - started < 5:
                download.read_some(100_000)
                time.sleep(0.4)
            assert job(service, export_id)["status"] == "running"


def _sleeping(dsn: str, export_id: str) -> bool:
    return _count(dsn, export_id, "wait_event = 'PgSleep'") > 0


def _waits_for_lock(dsn: str, export_id: str) -> bool:
    return _count(dsn, export_id, "wait_event_type = 'Lock'") > 0


def _count(dsn: str, export_id: str, condition: str) -> int:
    with psycopg.connect(dsn, autocommit=True) as connection:
        query = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND {condition}"
        row = connection.execute(query.encode(), [f"polyglot {export_id}"]).fetchone()
        assert row is not None
        return int(row[0])


def _open_files(service: Service) -> int:
    return len(list(Path(f"/proc/{service.process.pid}/fd").iterdir()))
