"""The client fails in the middle of a download, or its export is ended by its owner."""

from __future__ import annotations

import socket
import struct
import time

from tests.faults.conftest import serving
from tests.faults.outcome import assert_as_promised, seen_by_client
from tests.faults.table import FAULTS
from tests.fixtures.process import Service
from tests.service.client import GONE_SECONDS, PATIENCE, RawDownload, backends, call, create, job, wait_for


def test_reset(records: str, service: Service) -> None:
    export_id = create(service)
    with RawDownload(service, export_id) as download:
        download.read_some(1000)
        download.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert_as_promised(FAULTS["client-reset"], records, service, export_id, None)


def test_half_close(records: str, service: Service) -> None:
    export_id = create(service)
    with RawDownload(service, export_id) as download:
        download.read_some(1000)
        download.socket.shutdown(socket.SHUT_WR)
        client = seen_by_client(download)
    assert_as_promised(FAULTS["client-half-close"], records, service, export_id, client)


def test_stall(records: str) -> None:
    with serving(records, slow_client_timeout=2) as service:
        export_id = create(service)
        with RawDownload(service, export_id) as download:
            download.read_some(1000)
            assert_as_promised(FAULTS["client-stall"], records, service, export_id, None)
            assert 1.9 < job(service, export_id)["runs"][0]["seconds"] < 20
            assert seen_by_client(download) == FAULTS["client-stall"].client


def test_a_byte_a_second(records: str) -> None:
    """Every byte is progress, and still the export would hold its snapshot for a year."""
    with serving(records, slow_client_timeout=2) as service:
        export_id = create(service)
        with RawDownload(service, export_id, receive_buffer=2048) as download:
            started = time.monotonic()
            # Before the buffers between are full, the client is not the one that is waited for.
            while job(service, export_id)["status"] == "running":
                assert time.monotonic() - started < PATIENCE
                download.socket.recv(1)
                time.sleep(0.2)
            client = seen_by_client(download)
        assert_as_promised(FAULTS["client-trickle"], records, service, export_id, client)


def test_a_stall_where_any_byte_will_do(records: str) -> None:
    with serving(records, slow_client_timeout=1, min_rate=0) as service:
        export_id = create(service)
        with RawDownload(service, export_id) as download:
            download.read_some(1000)
            assert_as_promised(FAULTS["client-stall"], records, service, export_id, None)
        assert "took no byte for 1 seconds" in job(service, export_id)["error"]["message"]


def test_no_rate_is_asked_of_a_client_where_that_is_set(records: str) -> None:
    with serving(records, slow_client_timeout=3, min_rate=0) as service:
        export_id = create(service)
        with RawDownload(service, export_id) as download:
            started = time.monotonic()
            while time.monotonic() - started < 4.5:
                download.read_some(1)
                time.sleep(0.25)
            assert job(service, export_id)["status"] == "running"


def test_delete(records: str, service: Service) -> None:
    export_id = create(service)
    with RawDownload(service, export_id) as download:
        download.read_some(1000)
        assert call(service, f"/exports/{export_id}", method="DELETE").status == 204
        assert wait_for(lambda: not backends(records, export_id)) < GONE_SECONDS, "while the client still takes nothing"
        client = seen_by_client(download)
    assert_as_promised(FAULTS["deleted"], records, service, export_id, client)
