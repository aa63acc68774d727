"""A worker is lost in the middle of a segment: read again, or a failure that says why. Real backends are ended."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from polyglot_export import ConnectionLost, Export, RunSettings, open_export, parse_spec
from polyglot_export.limits import PAGES_PER_SEGMENT
from tests.faults.workers import both_in_the_middle, reading, terminate
from tests.fixtures.proxy import Proxy
from tests.library.helpers import copied
from tests.service.client import wait_for

KB = 1 << 10
NAME = "polyglot segments"
NARROW = RunSettings(workers=2, chunk_bytes=64 * KB, window_bytes=256 * KB, application_name=NAME)
"""Small enough that a consumer who waits stops both workers in the middle of their first segments."""
SEGMENTS = 4
LONG_ROWS = 40_000
"""Rows of ``long``: a segment and a large part of another one."""
CASES: tuple[dict[str, Any], ...] = (
    {"format": "csv"},
    {"format": "json"},
    {"format": "xml"},
    {"format": "csv", "compression": "gzip"},
    {"format": "csv", "compression": "zstd"},
)


@pytest.fixture(scope="module")
def table(module_dsn: str) -> str:
    """A database with a table ``t`` of :data:`SEGMENTS` segments, and ``long``, whose segments nothing can hold; gives
    its DSN.
    """
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        # 20 rows a page of text that compresses little, so that compressed segments fill the window too.
        connection.execute("CREATE TABLE t (id int PRIMARY KEY, pad text)")
        connection.execute(
            "INSERT INTO t SELECT n, (SELECT string_agg(md5((n * 11 + m)::text), '') FROM generate_series(1, 11) AS m)"
            " FROM generate_series(1, %s) AS n",
            [20 * (SEGMENTS * PAGES_PER_SEGMENT - 10)],
        )
        # A segment of 73 MB, or of a megabyte and a half with gzip: more than all buffers hold, so that a backend waits
        # to send the rest.
        connection.execute("CREATE TABLE long (id int, pad text) WITH (fillfactor = 30)")
        connection.execute(
            "INSERT INTO long SELECT n, md5(n::text) || repeat('name ' || n || ' ', 280) FROM generate_series(1, %s) AS n",
            [LONG_ROWS],
        )
        connection.execute("ANALYZE")
    return module_dsn


def opened(dsn: str, run: RunSettings = NARROW, **spec: Any) -> Export:
    return open_export(parse_spec({"dataset": "t", **spec}), dsn=dsn, run=run)


def whole(chunks: Export) -> bytes:
    """The file, without the name of its snapshot, which Parquet files hold."""
    return b"".join(chunks).replace(chunks.snapshot.encode(), b"the snapshot")


def backends(dsn: str) -> set[int]:
    """All connections of the export."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s", [NAME]).fetchall()
    return {pid for (pid,) in rows}


@pytest.mark.parametrize("spec", CASES, ids=lambda spec: "-".join(spec.values()))
def test_a_later_segment_is_read_again(table: str, spec: dict[str, Any]) -> None:
    with opened(table, dataset="long", **spec) as chunks:
        expected = b"".join(chunks)
    with opened(table, dataset="long", **spec) as chunks:
        received = [next(chunks)]
        at = both_in_the_middle(table, NAME)
        terminate(table, at[PAGES_PER_SEGMENT])
        received += chunks
        assert chunks.progress().finished
    assert b"".join(received) == expected
    if spec == {"format": "csv"}:
        with psycopg.connect(table) as connection:
            assert expected == copied(connection, "SELECT * FROM long")


@pytest.mark.parametrize("spec", [*CASES, {"format": "parquet"}], ids=lambda spec: "-".join(spec.values()))
def test_a_half_encoded_segment_begins_anew(table: str, spec: dict[str, Any]) -> None:
    """The network fails, not the server, so there are no last words. A chunk is larger than a segment: none was handed
    out.
    """
    run = RunSettings(workers=1, chunk_bytes=16 << 20)
    with opened(table, run, **spec) as chunks:
        expected = whole(chunks)
    with Proxy.to(table) as proxy, opened(proxy.dsn, run, **spec) as chunks:
        before = proxy.connections
        proxy.cut_after(5_000_000)

        def heal() -> None:
            # At once: the export tries to connect again for some seconds only.
            wait_for(lambda: proxy.has_struck)
            proxy.heal()

        healer = threading.Thread(target=heal)
        healer.start()
        received = whole(chunks)
        healer.join()
        assert proxy.connections >= before + 2, "it was cut"
    assert received == expected


def test_workers_are_lost_again_and_again(table: str) -> None:
    with opened(table, format="csv") as chunks:
        received = [next(chunks)]
        for _ in range(2):
            # A worker that waits for its turn notices its loss only then.
            while len(at := reading(table, NAME)) < 2:
                received.append(next(chunks))
            terminate(table, at[max(at)])
        received += chunks
    with psycopg.connect(table) as connection:
        assert b"".join(received) == copied(connection, "SELECT * FROM t")


def test_the_head_is_not_read_again(table: str) -> None:
    """Its bytes are with the consumer already: the export fails, and stays failed. A backend that waits to send has no
    last words.
    """
    spec = parse_spec({"format": "csv", "query": "SELECT n, n::text AS t FROM generate_series(1, 10000000) AS n"})
    with open_export(spec, dsn=table, run=NARROW) as chunks:
        next(chunks)
        (worker,) = backends(table) - {chunks._leader.connection.info.backend_pid}
        terminate(table, worker)
        for _ in range(2):
            with pytest.raises(
                ConnectionLost, match=r"terminating connection due to administrator command|closed the connection"
            ):
                list(chunks)
        assert not chunks.progress().finished
    wait_for(lambda: not backends(table))


def test_without_the_leader_nothing_is_read_again(table: str) -> None:
    with opened(table, dataset="long", format="csv") as chunks:
        next(chunks)
        at = both_in_the_middle(table, NAME)
        terminate(table, chunks._leader.connection.info.backend_pid)
        terminate(table, at[PAGES_PER_SEGMENT])
        with pytest.raises(ConnectionLost):
            list(chunks)
    wait_for(lambda: not backends(table))


@pytest.mark.parametrize(
    "spec", [*CASES, {"format": "ndjson"}, {"format": "parquet"}], ids=lambda spec: "-".join(spec.values())
)
def test_bytes_do_not_depend_on_workers(table: str, spec: dict[str, Any]) -> None:
    outputs = []
    for workers in (1, 2, 3, 8):
        with opened(table, RunSettings(workers=workers), **spec) as chunks:
            outputs.append(whole(chunks))
    assert len(set(outputs)) == 1
