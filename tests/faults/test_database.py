"""The database or the network to it fails in the middle of a download."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from polyglot_export.limits import PAGES_PER_SEGMENT
from polyglot_export.testing.postgres import EmbeddedServer
from tests.faults.conftest import FRAME_TEXT_BYTES, fill, serving
from tests.faults.outcome import assert_as_promised, seen_by_client
from tests.faults.table import FAULTS
from tests.faults.workers import both_in_the_middle, reading, terminate
from tests.fixtures.process import Service
from tests.fixtures.proxy import Proxy
from tests.service.client import RawDownload, backends, call, create, job, kill_backends, wait_for


def name_of(export_id: str) -> str:
    """What the connections of an export call themselves."""
    return f"polyglot {export_id}"


def leader(dsn: str, export_id: str) -> int:
    """The backend of an export's leader, when its workers read."""
    workers = reading(dsn, name_of(export_id)).values()
    (pid,) = [pid for pid in backends(dsn, export_id) if pid not in workers]
    return pid


def digest_of_copy(dsn: str, table: str = "records") -> str:
    """What the server itself says."""
    digest = hashlib.sha256()
    statement = f"COPY {table} TO STDOUT (FORMAT csv, HEADER)".encode()
    with psycopg.connect(dsn) as connection, connection.cursor().copy(statement) as copy:
        for data in copy:
            digest.update(data)
    return digest.hexdigest()


def body_digest(service: Service, export_id: str) -> str:
    """A whole download."""
    answer = call(service, f"/exports/{export_id}/download")
    assert answer.status == 200
    return hashlib.sha256(answer.body).hexdigest()


def unchunked(response: bytes) -> bytes:
    """The body of a chunked response (RFC 9112, section 7.1)."""
    at = response.index(b"\r\n\r\n") + 4
    body = bytearray()
    while True:
        end = response.index(b"\r\n", at)
        length = int(response[at:end], 16)
        if length == 0:
            return bytes(body)
        at = end + 2
        body += response[at : at + length]
        at += length + 2


def test_a_worker_that_is_ahead(records: str, service: Service) -> None:
    """Its segment is read again on a new connection, and the file is what it would have been."""
    export_id = create(service, dataset="long")
    received = bytearray()
    with RawDownload(service, export_id) as download:
        received += download.read_some(1000)
        at = both_in_the_middle(records, name_of(export_id))
        terminate(records, at[PAGES_PER_SEGMENT])
        received += download.read_to_end()
    assert received.endswith(b"\r\n0\r\n\r\n")
    assert_as_promised(FAULTS["worker-ahead"], records, service, export_id, None)
    assert hashlib.sha256(unchunked(bytes(received))).hexdigest() == digest_of_copy(records, "long")


def test_the_worker_at_the_head(records: str, service: Service) -> None:
    """In the middle of the segment whose first bytes the client has: a backend that had sent all of it would be missed
    by nobody.
    """
    export_id = create(service, dataset="long")
    with RawDownload(service, export_id) as download:
        download.read_some(1000)
        at = both_in_the_middle(records, name_of(export_id))
        terminate(records, at[0])
        client = seen_by_client(download)
    assert_as_promised(FAULTS["worker-head"], records, service, export_id, client)


def test_the_leader(records: str, service: Service) -> None:
    export_id = create(service, dataset="long")
    with RawDownload(service, export_id) as download:
        download.read_some(1000)
        both_in_the_middle(records, name_of(export_id))
        terminate(records, leader(records, export_id))
        client = seen_by_client(download)
    assert_as_promised(FAULTS["leader"], records, service, export_id, client)


def test_all_backends(records: str, service: Service) -> None:
    export_id = create(service)
    with RawDownload(service, export_id) as download:
        download.read_some(1000)
        assert kill_backends(records, export_id) >= 2
        client = seen_by_client(download)
    assert_as_promised(FAULTS["all-backends"], records, service, export_id, client)


def test_the_database_crashes_and_comes_back() -> None:
    with EmbeddedServer() as server:
        fill(server.dsn())
        with serving(server.dsn()) as service:
            export_id = create(service)
            with RawDownload(service, export_id) as download:
                download.read_some(1000)
                server.crash()
                client = seen_by_client(download)
            away = create_while_away(service)
            server.resume()
            assert_as_promised(FAULTS["database-crash"], server.dsn(), service, export_id, client)
            assert away == FAULTS["database-away"].client
            assert body_digest(service, export_id) == digest_of_copy(server.dsn()), "the same job runs again"


def create_while_away(service: Service) -> str:
    """What a request is told while there is no database."""
    answer = call(
        service, "/exports", method="POST", body=b'{"format": "csv"}', headers={"Content-Type": "application/json"}
    )
    return f"{answer.status} {answer.json()['code']}"


def test_the_database_is_away_at_the_download(records: str) -> None:
    with Proxy.to(records) as proxy, serving(proxy.dsn) as service:
        export_id = create(service)
        proxy.close()
        answer = call(service, f"/exports/{export_id}/download")
        assert answer.headers["retry-after"]
        client = f"{answer.status} {answer.json()['code']}"
        assert_as_promised(FAULTS["database-away"], records, service, export_id, client)


STALL_SECONDS = 1.5


def test_a_short_stall(records: str) -> None:
    with Proxy.to(records) as proxy, serving(proxy.dsn, max_duration=60) as service:
        export_id = create(service)
        proxy.stall_after(5 << 20)

        def heal() -> None:
            wait_for(lambda: proxy.holds_back)
            time.sleep(STALL_SECONDS)
            proxy.heal()

        healer = threading.Thread(target=heal)
        healer.start()
        digest = body_digest(service, export_id)
        healer.join()
        assert_as_promised(FAULTS["short-stall"], records, service, export_id, None)
        assert digest == digest_of_copy(records)
        assert job(service, export_id)["runs"][0]["seconds"] >= STALL_SECONDS, "it did stall"


def test_a_long_stall(records: str) -> None:
    with Proxy.to(records) as proxy, serving(proxy.dsn, max_duration=5) as service:
        export_id = create(service, dataset="long")
        with RawDownload(service, export_id) as download:
            # The stall begins behind the first byte of the body, or the answer would have a status of its own.
            download.read_some(1000)
            proxy.stall_after(1 << 20)
            client = seen_by_client(download)
        assert proxy.holds_back, "it did stall"
        assert_as_promised(FAULTS["long-stall"], records, service, export_id, client)


@pytest.mark.parametrize("way", ["cut_after", "reset_after"])
def test_the_network_is_cut(records: str, way: str) -> None:
    with Proxy.to(records) as proxy, serving(proxy.dsn) as service:
        export_id = create(service, dataset="long")
        with RawDownload(service, export_id) as download:
            # As above: whichever worker meets the cut, the head segment is in the middle.
            download.read_some(1000)
            getattr(proxy, way)(1 << 20)
            client = seen_by_client(download)
        assert_as_promised(FAULTS["network-cut"], records, service, export_id, client)


FRAME = b"d" + (FRAME_TEXT_BYTES + 10).to_bytes(4) + (1).to_bytes(2) + FRAME_TEXT_BYTES.to_bytes(4)
"""What stands before the text of a row: CopyData's type and length, the count of fields, the length of the first
(PostgreSQL manual, "Message Formats" and "COPY", binary format)."""
AWAITS_MORE = 2
"""The byte of CopyData's length that makes it 16 MB: more than the segment has, and still below the limit of a row."""


@pytest.fixture(scope="module")
def flipping(records: str) -> Iterator[tuple[Proxy, Service]]:
    """A service behind a proxy that changes bytes."""
    with Proxy.to(records) as proxy, serving(proxy.dsn, workers=1) as service:
        yield proxy, service


def seen_of_a_flip(proxy: Proxy, service: Service, export_id: str, place: int) -> str:
    """Change a byte of a frame in the middle of a download: the words of the table for what comes of it."""
    with RawDownload(service, export_id) as download:
        download.read_some(1000)
        proxy.flip_behind(FRAME + b"marked", place)
        client = seen_by_client(download)
    assert proxy.has_flipped, "a byte was changed"
    return client


@pytest.mark.parametrize("place", [place for place in range(len(FRAME)) if place != AWAITS_MORE])
def test_a_changed_byte_of_a_frame(records: str, flipping: tuple[Proxy, Service], place: int) -> None:
    proxy, service = flipping
    export_id = create(service, dataset="frames")
    client = seen_of_a_flip(proxy, service, export_id, place)
    assert_as_promised(FAULTS["flipped"], records, service, export_id, client)


def test_a_changed_byte_of_a_length_that_awaits_more(records: str) -> None:
    with Proxy.to(records) as proxy, serving(proxy.dsn, workers=1, max_duration=5) as service:
        export_id = create(service, dataset="frames")
        client = seen_of_a_flip(proxy, service, export_id, AWAITS_MORE)
        assert_as_promised(FAULTS["flipped-length"], records, service, export_id, client)


def test_the_statement_takes_too_long(records: str) -> None:
    with serving(records, statement_timeout=2) as service:
        export_id = create(service, dataset="slow")
        with RawDownload(service, export_id) as download:
            client = seen_by_client(download)
        assert_as_promised(FAULTS["slow-query"], records, service, export_id, client)


def test_the_export_takes_too_long(records: str) -> None:
    with serving(records, max_duration=1) as service:
        export_id = create(service, dataset="slow")
        started = time.monotonic()
        with RawDownload(service, export_id) as download:
            client = seen_by_client(download)
        assert time.monotonic() - started < 25, "before the first row, which takes 30 seconds"
        assert_as_promised(FAULTS["slow-export"], records, service, export_id, client)
