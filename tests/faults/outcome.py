"""Looks at a download from all three sides, and compares what is seen with the row of its fault."""

from __future__ import annotations

import contextlib
import json
import re

from tests.faults.table import CUT, WHOLE, Fault
from tests.fixtures.process import Service
from tests.service.client import GONE_SECONDS, RawDownload, backends, job, wait_for

_END = b"\r\n0\r\n\r\n"


def seen_by_client(download: RawDownload) -> str:
    """Read to the end: the words of the table for what came."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        received = download.read_to_end()
        if received.endswith(_END) and not received.startswith(b"HTTP/1.1 4"):
            return WHOLE
        status = re.match(rb"HTTP/1\.1 ([45]\d\d) ", received)
        if status is not None:
            body = received.partition(b"\r\n\r\n")[2]
            return f"{status[1].decode()} {json.loads(body)['code']}"
        raise AssertionError(f"the body ended in an orderly way without its terminator: {received[-100:]!r}")
    return CUT


def said_by_job(service: Service, export_id: str) -> str:
    """Wait until the run has ended; the words of the table for its state."""
    wait_for(lambda: job(service, export_id)["status"] not in ("pending", "running"))
    state = job(service, export_id)
    error = state.get("error")
    return f"{state['status']}: {error['code']}" if error else str(state["status"])


def assert_as_promised(fault: Fault, dsn: str, service: Service, export_id: str, client: str | None) -> None:
    """Compare with the table.

    Args:
        fault: The row.
        dsn: The database, not through a proxy.
        service: Where the job is.
        export_id: The job.
        client: What :func:`seen_by_client` gave; ``None`` where there is no client any more.
    """
    if client is not None:
        assert client == fault.client
    assert said_by_job(service, export_id) == fault.job
    assert wait_for(lambda: not backends(dsn, export_id)) < GONE_SECONDS
