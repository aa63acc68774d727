"""Polite to the database: a ceiling for connections, a share of the server's, a limit on the rate; and who a backend
works for.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest

from polyglot_export import aexport, export
from polyglot_export.cancel import CancelToken
from polyglot_export.errors import Cancelled, SpecError
from polyglot_export.execution.rate import BURST_SECONDS, RateLimit
from polyglot_export.execution.run import RunSettings
from polyglot_export.library.keywords import make_spec
from polyglot_export.library.sync import open_export
from polyglot_export.testing.postgres import EmbeddedServer
from tests.fixtures.process import Service, cli, serve
from tests.service.client import RawDownload, assert_problem, call, create, job, wait_for

CEILING = 3


def _backends(dsn: str) -> Counter[str]:
    """Backends of exports by the export that they work for."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ '^polyglot [0-9a-f]{8}-'"
        )
        return Counter(row[0].removeprefix("polyglot ") for row in rows)


@pytest.fixture(scope="module")
def polite(records: str) -> Iterator[Service]:
    """A service with few connections for exports that each would take four, and that last long enough to be seen."""
    with serve(records, max_connections=CEILING, workers=4, queue_timeout=0.5, rate_limit="16MB") as running:
        yield running


def test_workers_of_all_exports_stay_below_the_ceiling(records: str, polite: Service) -> None:
    alone = create(polite)
    with ExitStack() as clients:
        clients.enter_context(RawDownload(polite, alone)).read_some(1000)
        wait_for(lambda: _backends(records) == {alone: 3})
        second = create(polite)
        clients.enter_context(RawDownload(polite, second)).read_some(1000)
        wait_for(lambda: _backends(records) == {alone: 3, second: 2})
        waiting = create(polite, dataset="small")
        answer = call(polite, f"/exports/{waiting}/download")
        assert_problem(answer, 503, "busy", "no database connection", "0.5 seconds")
        assert int(answer.headers["retry-after"]) > 0
        assert job(polite, waiting)["runs"][0]["error"]["code"] == "busy"
    wait_for(lambda: not _backends(records))
    wait_for(lambda: call(polite, f"/exports/{waiting}/download").status == 200)


def test_a_crowd_has_one_worker_each_and_the_others_wait_their_turn(records: str, polite: Service) -> None:
    """Eight at once, three of which may read: all are served, and no look at the server shows more than the ceiling and
    its leaders.
    """
    ids = [create(polite, filter=[{"column": "id", "op": "<=", "value": 60_000}]) for _ in range(8)]
    served: Counter[int] = Counter()
    most: Counter[str] = Counter()
    stop = threading.Event()

    def take(export_id: str) -> None:
        while (answer := call(polite, f"/exports/{export_id}/download")).status == 503:
            time.sleep(0.05)
        served[answer.body.count(b"\n")] += 1

    def look() -> None:
        before: Counter[str] = Counter()
        while not stop.is_set():
            found = _backends(records)
            # The process of a connection that was closed is still there for a moment, but not at the next look.
            stay = found & before
            most["backends"] = max(most["backends"], stay.total())
            most["exports"] = max(most["exports"], len(stay))
            most["seen"] = max(most["seen"], found.total())
            before = found
            time.sleep(0.05)

    looking = threading.Thread(target=look)
    looking.start()
    clients = [threading.Thread(target=take, args=(export_id,)) for export_id in ids]
    for client in clients:
        client.start()
    for client in clients:
        client.join(60)
    stop.set()
    looking.join()
    assert served == {60_001: 8}
    assert most["seen"] >= 2
    assert most["backends"] <= 2 * CEILING
    assert most["exports"] <= CEILING


def test_the_server_keeps_three_quarters_for_others() -> None:
    with EmbeddedServer(settings={"max_connections": "19", "superuser_reserved_connections": "3"}) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE records AS SELECT n AS id, repeat('x', 200) AS name FROM generate_series(1, 400000) AS n"
            )
        with serve(server.dsn(), workers=4) as service, ExitStack() as clients:
            wait_for(lambda: "fewer connections for exports" in service.log())
            assert "allowed=16 workers=4" in service.log()
            for _ in range(3):
                clients.enter_context(RawDownload(service, create(service))).read_some(1000)
            found = _backends(server.dsn())
            assert len(found) == 3
            assert found.total() - len(found) <= 4


def test_the_service_limits_the_rate_of_each_export(records: str) -> None:
    spec = {"filter": [{"column": "id", "op": "<=", "value": 30_000}]}
    with serve(records, rate_limit="2MB", memory_limit="256MB") as service:
        began = time.monotonic()
        body = call(service, f"/exports/{create(service, **spec)}/download").body
        seconds = time.monotonic() - began
    assert len(body) > 3_000_000
    assert seconds >= len(body) / (2 << 20) - BURST_SECONDS
    assert seconds < len(body) / (2 << 20) + 30


def test_the_library_limits_the_rate(records: str) -> None:
    spec = {"filter": [{"column": "id", "op": "<=", "value": 20_000}]}
    began = time.monotonic()
    with export(records, "records", rate_limit=4e6, **spec) as limited:  # type: ignore[arg-type]
        size = sum(map(len, limited))
    assert time.monotonic() - began >= size / 4e6 - BURST_SECONDS
    for wrong in (0, -1, float("nan")):
        with (
            pytest.raises(SpecError, match="rate_limit: must be above 0") as refused,
            export(records, "records", rate_limit=wrong),
        ):
            pass
        assert refused.value.field == "rate_limit"


def test_the_command_line_limits_the_rate(records: str) -> None:
    arguments = ("export", "records", "-f", "csv", "-o", "-", "--where", "id <= 20000", "--rate-limit")
    began = time.monotonic()
    limited = cli(*arguments, "2MB", dsn=records)
    assert limited.returncode == 0, limited.stderr
    assert time.monotonic() - began >= len(limited.stdout) / (2 << 20) - BURST_SECONDS
    for wrong, words in (("0", "above 0"), ("fast", "a number with kB, MB or GB")):
        refused = cli(*arguments, wrong, dsn=records)
        assert refused.returncode == 2
        assert words in refused.stderr.decode()
        assert refused.stderr.count(b"\n") == 1


@pytest.mark.anyio
async def test_a_rate_that_waits_can_be_cancelled(records: str) -> None:
    """A chunk at this rate takes minutes."""
    token = CancelToken()
    began = time.monotonic()
    with open_export(make_spec("records"), dsn=records, run=RunSettings(rate_limit=1000), token=token) as limited:
        threading.Timer(0.3, token.cancel).start()
        with pytest.raises(Cancelled):
            for _ in limited:
                pass
    async with aexport(records, "records", rate_limit=1000) as limited:
        taking = asyncio.create_task(anext(limited))
        await asyncio.sleep(0.3)
        limited.cancel()
        with pytest.raises(Cancelled):
            await taking
    assert time.monotonic() - began < 30


def test_the_bucket() -> None:
    now = 0.0
    rate = RateLimit(100, clock=lambda: now)
    assert rate.delay(50) == pytest.approx(0.5)
    now = 0.5
    assert rate.delay(100) == pytest.approx(1.0)
    now = 100.0
    assert rate.delay(100) == pytest.approx(1.0 - BURST_SECONDS), "a long pause is made up for only in part"
    rate.stop()
    began = time.monotonic()
    rate.take(10_000)
    assert time.monotonic() - began < 5
