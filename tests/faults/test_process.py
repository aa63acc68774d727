"""The service is ended, killed, or sees the clock jump, in the middle of a download."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from polyglot_export.service.streams.pace import STALL_TICK
from tests.faults.conftest import serving
from tests.faults.outcome import assert_as_promised, seen_by_client
from tests.faults.table import CUT, FAULTS, WHOLE
from tests.service.client import GONE_SECONDS, PATIENCE, RawDownload, backends, create, job, wait_for

KILLED_SECONDS = 10.0
"""Seconds after which a killed service has left no query in the database."""


def test_sigterm_with_time_enough(records: str) -> None:
    with serving(records, shutdown_grace=60) as service:
        export_id = create(service)
        with RawDownload(service, export_id) as download:
            download.read_some(1000)
            service.process.send_signal(signal.SIGTERM)
            client = seen_by_client(download)
        assert service.process.wait(timeout=PATIENCE) == 0
        assert client == FAULTS["drain"].client
        assert f"exportId={export_id} run=1 status={FAULTS['drain'].job}" in service.log()
        # The server's process ends a moment later than its connection.
        assert wait_for(lambda: not backends(records, export_id)) < GONE_SECONDS


def test_sigterm_without(records: str) -> None:
    with serving(records, shutdown_grace=1) as service:
        export_id = create(service)
        with RawDownload(service, export_id) as download:
            download.read_some(1000)
            started = time.monotonic()
            service.process.send_signal(signal.SIGTERM)
            assert service.process.wait(timeout=PATIENCE) == 0
            assert 0.9 < time.monotonic() - started < 20
            assert seen_by_client(download) == FAULTS["drain-cut"].client
        status, code = FAULTS["drain-cut"].job.split(": ")
        (line,) = [line for line in service.log().splitlines() if "export ended" in line]
        assert f"status={status}" in line
        assert f"code={code}" in line
        # The server's process ends a moment later than its connection.
        assert wait_for(lambda: not backends(records, export_id)) < GONE_SECONDS


def test_sigkill(records: str) -> None:
    """The kernel closes the sockets; a backend that waits for nobody sees it within a second
    (client_connection_check_interval).
    """
    with serving(records) as service:
        streamed, waiting = create(service), create(service, dataset="slow")
        with RawDownload(service, streamed) as download, RawDownload(service, waiting):
            download.read_some(1 << 20)
            wait_for(lambda: backends(records, waiting))
            service.process.kill()
            service.process.wait()
            started = time.monotonic()
            wait_for(lambda: not backends(records, streamed) and not backends(records, waiting))
            assert time.monotonic() - started < KILLED_SECONDS
            # What the kernel had taken may still come, with a FIN behind it: never the end of the body.
            rest = b""
            try:
                rest = download.read_to_end()
            except ConnectionResetError:
                assert FAULTS["killed"].client == CUT
            assert not rest.endswith(b"0\r\n\r\n")


def faketime_library() -> str:
    """libfaketime: a clock that can be set for one process."""
    (found,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    return str(found)


def test_the_clock_jumps(records: str, tmp_path: Path) -> None:
    """Only the clock on the wall jumps: what measures time must not look at it."""
    clock = tmp_path / "clock"
    clock.write_text("+0")
    env = {
        "LD_PRELOAD": faketime_library(),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        # Without this a wait with a time limit may go on for many seconds although what it waits for has come.
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with serving(records, slow_client_timeout=20, max_duration=120, env=env) as service:
        for jump in ("+5h", "-5h"):
            clock.write_text("+0")
            export_id = create(service)
            created = job(service, export_id)["createdAt"]
            with RawDownload(service, export_id) as download:
                download.read_some(1000)
                # The service looks at a client that takes nothing before the jump and after it.
                time.sleep(1.5 * STALL_TICK)
                clock.write_text(jump)
                time.sleep(1.5 * STALL_TICK)
                client = seen_by_client(download)
            assert client == WHOLE
            assert_as_promised(FAULTS["clock-jump"], records, service, export_id, client)
            assert 0 <= job(service, export_id)["runs"][0]["seconds"] < 120
            assert created[:10] <= "9999"
            clock.write_text("+0")
