"""What `polyglot bench` sees of a server beside an export, and the limit that it compares exports with."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from polyglot_export.cli.bench.limit import drain
from polyglot_export.cli.bench.source import Sample, Source, filled
from polyglot_export.cli.bench.watch import Latency, Watch
from polyglot_export.errors import PolyglotError
from polyglot_export.testing.postgres import EmbeddedServer
from polyglot_export.testing.records import fill_records

ROWS = 3_000


@pytest.fixture(scope="module")
def source() -> Iterator[Source]:
    with EmbeddedServer() as server:
        yield filled(server, Sample("records", fill_records), ROWS, lambda _: None)


def test_a_transaction_and_its_temporary_files_are_seen(source: Source) -> None:
    with psycopg.connect(source.server.uri) as other:
        with Watch(source) as watch:
            other.execute("SET work_mem = '64kB'")
            other.execute("SELECT count(*) FROM (SELECT random() FROM generate_series(1, 50000) ORDER BY 1) AS r")
            other.execute("SELECT pg_sleep(0.2)")
            other.rollback()
            other.close()
            # The server counts what a session did when that ends.
            wait_for_end(source)
        seen = watch.seen()
    assert seen.transaction >= seen.statement > 0
    assert seen.connections >= 1
    assert seen.temporary > 50_000
    assert seen.latency is not None
    assert seen.latency.reads > 0
    assert 0 < seen.latency.median <= seen.latency.p99 <= seen.latency.greatest
    assert seen.members()["temporaryBytes"] == seen.temporary


def wait_for_end(source: Source) -> None:
    with psycopg.connect(source.server.uri, autocommit=True, application_name="waiting") as connection:
        until = time.monotonic() + 30
        query = "SELECT sum(temp_bytes) FROM pg_stat_database WHERE datname = current_database()"
        while not (connection.execute(query).fetchone() or (0,))[0]:
            assert time.monotonic() < until
            time.sleep(0.02)


def test_a_server_without_the_probe_is_watched_all_the_same(source: Source) -> None:
    with Watch(replace(source, probe=False)) as watch:
        pass
    assert watch.seen().latency is None


def test_a_fault_of_the_watch_is_not_hidden(source: Source) -> None:
    with psycopg.connect(source.server.uri, autocommit=True) as other:
        kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'polyglot bench probe'"
        with pytest.raises(psycopg.OperationalError), Watch(source):
            other.execute(kill)
            # It may have ended already.
            for probe in (thread for thread in threading.enumerate() if thread.name == "probe"):
                probe.join(30)


def test_percentiles_are_of_the_nearest_rank() -> None:
    assert Latency.of([]) is None
    assert Latency.of([0.25]) == Latency(1, 0.25, 0.25, 0.25)
    assert Latency.of([float(number) for number in range(100, 0, -1)]) == Latency(100, 50.0, 99.0, 100.0)


@pytest.mark.parametrize("connections", [1, 3])
def test_the_limit_reads_every_row_once(source: Source, connections: int) -> None:
    """Other rows than the table has would be an error."""
    drained = drain(source, connections)
    with psycopg.connect(source.server.uri) as connection:
        query = "SELECT sum(octet_length(metadata::text)) FROM records"
        (documents,) = connection.execute(query).fetchone() or (0,)
    assert drained.received > documents
    assert drained.seconds > 0
    with pytest.raises(PolyglotError, match="3,000 rows instead of 3,001"):
        drain(replace(source, rows=ROWS + 1), connections)


def test_the_limit_of_a_view_is_one_statement_and_its_error_is_told(source: Source) -> None:
    with psycopg.connect(source.server.uri, autocommit=True) as connection:
        connection.execute("CREATE VIEW halved AS SELECT * FROM records WHERE id % 2 = 0")
        connection.execute("CREATE VIEW broken AS SELECT 1 / (id - 7) AS x FROM records")
    assert drain(replace(source, table="halved", rows=ROWS // 2), 2).received > 0
    with pytest.raises(PolyglotError, match=r"the limit could not be measured: division by zero$"):
        drain(replace(source, table="broken"), 2)
    with pytest.raises(PolyglotError, match=r'could not be measured: relation "public\.absent" does not exist'):
        drain(replace(source, table="absent"), 2)
