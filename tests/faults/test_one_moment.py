"""One moment, or an error: what other sessions do meanwhile is either not seen at all, or it waits, or the export
fails.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from polyglot_export import (
    ConnectionLost,
    Export,
    ExportSpec,
    PolyglotError,
    RunSettings,
    SourceChanged,
    open_export,
    parse_spec,
)
from polyglot_export.limits import PAGES_PER_SEGMENT
from polyglot_export.planning import locate
from polyglot_export.planning.moment import ATTEMPTS
from polyglot_export.postgres import explain as explained
from polyglot_export.postgres.leader import Leader
from tests.library.helpers import copied, filled, ndjson
from tests.service.client import GONE_SECONDS, PATIENCE, wait_for

SEGMENTS = 4
PAGES = SEGMENTS * PAGES_PER_SEGMENT
SMALL_WINDOW = RunSettings(workers=2, chunk_bytes=64 * 1024, window_bytes=256 * 1024)
"""So that an export of a few segments cannot run ahead of its reader."""
WAITING = "SELECT 1 FROM pg_stat_activity AS export WHERE export.pid = ANY (pg_blocking_pids(%s)) AND application_name ~ '^polyglot'"
"""Whether a backend waits for a lock that an export holds."""

CHANGES = {
    "truncate": "TRUNCATE t",
    "alter type": "ALTER TABLE t ALTER id TYPE bigint",
    "vacuum full": "VACUUM FULL t",
    "cluster": "CLUSTER t USING t_pkey",
    "drop": "DROP TABLE t",
    "rename column": "ALTER TABLE t RENAME pad TO padding",
    "add column": "ALTER TABLE t ADD c int DEFAULT 5",
    "set unlogged": "ALTER TABLE t SET UNLOGGED",
    "rename": "ALTER TABLE t RENAME TO other",
    "row-level security": "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
}


class Statement:
    """A statement of another session that runs beside the test."""

    def __init__(self, dsn: str, sql: str) -> None:
        self.error: BaseException | None = None
        self._dsn = dsn
        self._connection = psycopg.connect(dsn, autocommit=True)
        self._pid = self._connection.info.backend_pid
        self._sql = sql
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            with self._connection as conn:
                conn.execute(self._sql.encode())
        except psycopg.Error as error:
            self.error = error

    def waits(self) -> bool:
        """Whether it comes to wait for an export, and does not end."""
        with psycopg.connect(self._dsn, autocommit=True) as look:
            while self._thread.is_alive():
                if look.execute(WAITING, [self._pid]).fetchone() is not None:
                    return True
                time.sleep(0.01)
        return False

    def ended(self) -> BaseException | None:
        """Wait until it has ended. Returns its error, which its thread learns of after the server is done with it."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        return self.error

    def join(self) -> None:
        """Wait until it has ended, without an error."""
        assert self.ended() is None, self.error


def spec(dataset: str = "t", **more: object) -> ExportSpec:
    return parse_spec({"format": "csv", "dataset": dataset, **more})


def read(export: Export) -> bytes:
    return b"".join(export)


@contextmanager
def half_read(dsn: str, request: ExportSpec) -> Iterator[tuple[Export, list[bytes]]]:
    """An export with about half of its rows still to be read, and what has been read."""
    with open_export(request, dsn=dsn, run=SMALL_WINDOW) as export:
        chunks: list[bytes] = []
        while export.progress().segments_done < SEGMENTS // 2:
            chunk = export.next_chunk()
            assert chunk is not None, "the table is too small for this test"
            chunks.append(chunk)
        yield export, chunks


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_table_waits_and_the_file_is_whole(dsn: str, conn: psycopg.Connection, change: str) -> None:
    filled(conn, "t", PAGES)
    expected = copied(conn, "SELECT * FROM t")
    with half_read(dsn, spec()) as (export, chunks):
        other = Statement(dsn, CHANGES[change])
        assert other.waits()
        assert b"".join(chunks) + read(export) == expected
    other.join()


@pytest.mark.parametrize(
    "change",
    [
        "TRUNCATE p2",
        "ALTER TABLE p ALTER pad TYPE varchar(1000)",
        "VACUUM FULL p2",
        "DROP TABLE p2",
        "ALTER TABLE p DETACH PARTITION p2",
    ],
)
def test_a_change_of_a_leaf_waits(dsn: str, conn: psycopg.Connection, change: str) -> None:
    partitioned(conn)
    expected = copied(conn, "SELECT * FROM p")
    with half_read(dsn, spec("p")) as (export, chunks):
        other = Statement(dsn, change)
        assert other.waits()
        assert b"".join(chunks) + read(export) == expected
    other.join()


def partitioned(conn: psycopg.Connection) -> None:
    """A table ``p`` of two leaves with half the pages each."""
    half = filled(conn, "p1", PAGES // 2)
    filled(conn, "p2", PAGES // 2, first=half + 1)
    conn.execute(
        f"CREATE TABLE p (id int NOT NULL, pad text) PARTITION BY RANGE (id);"
        f"ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (1) TO ({half + 1});"
        f"ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM ({half + 1}) TO ({2 * half + 1})".encode()
    )


@pytest.mark.parametrize(
    ("change", "source"),
    [
        ("REFRESH MATERIALIZED VIEW m", "CREATE MATERIALIZED VIEW m AS SELECT * FROM t"),
        ("TRUNCATE t", "CREATE VIEW m AS SELECT * FROM t"),
        ("CREATE OR REPLACE VIEW m AS SELECT id, 'changed' AS pad FROM t", "CREATE VIEW m AS SELECT * FROM t"),
        ("DROP MATERIALIZED VIEW m", "CREATE MATERIALIZED VIEW m AS SELECT * FROM t"),
    ],
)
def test_what_cannot_be_locked_by_lock_waits_too(dsn: str, conn: psycopg.Connection, change: str, source: str) -> None:
    filled(conn, "t", PAGES)
    conn.execute(source.encode())
    expected = copied(conn, "SELECT * FROM m")
    with open_export(spec("m"), dsn=dsn, run=SMALL_WINDOW) as export:
        first = export.next_chunk()
        other = Statement(dsn, change)
        assert other.waits()
        assert first is not None
        assert first + read(export) == expected
    other.join()


@pytest.mark.parametrize("source", ["t", "v", "p"])
def test_a_change_that_waits_before_the_workers_begin_does_not_hang_the_export(
    dsn: str, conn: psycopg.Connection, source: str
) -> None:
    """The change waits for the leader, a worker behind the change: a deadlock that the server cannot see."""
    filled(conn, "t", 10)
    conn.execute(
        "CREATE VIEW v AS SELECT * FROM t; CREATE TABLE p (id int, pad text) PARTITION BY RANGE (id);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (99)"
    )
    with open_export(spec(source), dsn=dsn) as export:
        other = Statement(dsn, "TRUNCATE p1" if source == "p" else "TRUNCATE t")
        assert other.waits()
        with pytest.raises(SourceChanged, match=r"another session waits to change what .* reads"):
            read(export)
    other.join()


def test_a_change_that_gives_up_lets_the_export_go_on(dsn: str, conn: psycopg.Connection) -> None:
    filled(conn, "t", 10)
    expected = copied(conn, "SELECT * FROM t")
    with open_export(spec(), dsn=dsn) as export:
        other = Statement(dsn, "SET lock_timeout = '3s'; TRUNCATE t")
        assert other.waits()
        assert read(export) == expected
    assert isinstance(other.ended(), psycopg.errors.LockNotAvailable)


def test_a_leaf_that_no_worker_has_reached_is_locked_all_the_same(dsn: str, conn: psycopg.Connection) -> None:
    half = filled(conn, "p1", PAGES)
    filled(conn, "p2", 2, first=half + 1)
    conn.execute(
        f"CREATE TABLE p (id int NOT NULL, pad text) PARTITION BY RANGE (id);"
        f"ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (1) TO ({half + 1});"
        f"ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM ({half + 1}) TO ({2 * half})".encode()
    )
    expected = copied(conn, "SELECT * FROM p")
    with open_export(spec("p"), dsn=dsn, run=dataclasses.replace(SMALL_WINDOW, workers=1)) as export:
        first = export.next_chunk()
        other = Statement(dsn, "TRUNCATE p2")
        assert other.waits()
        assert first is not None
        assert first + read(export) == expected
    other.join()


def test_a_query_s_tables_are_held(dsn: str, conn: psycopg.Connection) -> None:
    filled(conn, "t", PAGES)
    query = "SELECT a.id, b.pad FROM t AS a JOIN t AS b USING (id) ORDER BY a.id"
    expected = copied(conn, query)
    with open_export(parse_spec({"format": "csv", "query": query}), dsn=dsn, run=SMALL_WINDOW) as export:
        first = export.next_chunk()
        other = Statement(dsn, "TRUNCATE t")
        assert other.waits()
        assert first is not None
        assert first + read(export) == expected
    other.join()


def test_without_the_lock_rows_would_be_lost(dsn: str, conn: psycopg.Connection) -> None:
    """The tests above can fail: a snapshot alone reads an empty table after TRUNCATE, without an error."""
    rows = filled(conn, "t", 20)
    with psycopg.connect(dsn) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT 1")
        conn.execute("TRUNCATE t")
        assert reader.execute("SELECT count(*) FROM t").fetchone() == (0,)
    assert rows > 0


def test_the_file_is_the_snapshot_while_rows_change(dsn: str, conn: psycopg.Connection) -> None:
    rows = filled(conn, "t", PAGES)
    expected = copied(conn, "SELECT * FROM t")
    stop, vacuumed = threading.Event(), threading.Event()

    def churn() -> None:
        with psycopg.connect(dsn, autocommit=True) as writer:
            number = 0
            while not stop.is_set():
                number += 1
                writer.execute("UPDATE t SET pad = 'changed' WHERE id %% 97 = %s", [number % 97])
                writer.execute("DELETE FROM t WHERE id %% 101 = %s", [number % 101])
                writer.execute(
                    "INSERT INTO t SELECT g, 'new' FROM generate_series(%s::int, %s::int) AS g",
                    [rows + number * 1000, rows + number * 1000 + 900],
                )
                if number % 5 == 0:
                    writer.execute("VACUUM t")
                    vacuumed.set()

    with open_export(spec(), dsn=dsn, run=SMALL_WINDOW) as export:
        writer = threading.Thread(target=churn)
        writer.start()
        try:
            chunks = []
            for chunk in export:
                chunks.append(chunk)
                # Most of the table is still to be read when the first rows have been changed and removed.
                assert vacuumed.wait(PATIENCE)
                time.sleep(0.002)
        finally:
            stop.set()
            writer.join()
    assert b"".join(chunks) == expected
    assert copied(conn, "SELECT * FROM t") != expected


def backends(conn: psycopg.Connection, condition: str) -> list[int]:
    rows = conn.execute(
        f"SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND {condition}".encode()
    ).fetchall()
    return [row[0] for row in rows]


def kill(conn: psycopg.Connection, condition: str) -> None:
    pids = backends(conn, condition)
    assert pids
    conn.execute("SELECT pg_terminate_backend(%s)", [pids[0]])
    while pids[0] in backends(conn, "true"):
        time.sleep(0.01)


def test_the_leader_is_killed(dsn: str, conn: psycopg.Connection) -> None:
    filled(conn, "t", PAGES)
    with half_read(dsn, spec()) as (export, _):
        pid = export._leader.connection.info.backend_pid
        kill(conn, f"pid = {pid}")
        with pytest.raises(ConnectionLost, match="terminating connection due to administrator command"):
            read(export)
        with pytest.raises(ConnectionLost):  # and it never looks complete
            export.next_chunk()


def test_the_leader_is_killed_just_before_the_end(dsn: str, conn: psycopg.Connection) -> None:
    """All rows are there; but nobody held them in place to the end, so that is no proof."""
    filled(conn, "t", 10)
    with open_export(spec(), dsn=dsn) as export:
        assert export.next_chunk() is not None
        kill(conn, f"pid = {export._leader.connection.info.backend_pid}")
        with pytest.raises(ConnectionLost):
            while export.next_chunk() is not None:
                pass
        assert not export.progress().finished


class Stream:
    """The core's stream, with something that happens between its end and the proof of it."""

    def __init__(self, stream: Any, at_end: Callable[[], None]) -> None:
        self._stream = stream
        self._at_end = at_end

    def next_chunk(self) -> bytes | None:
        chunk: bytes | None = self._stream.next_chunk()
        if chunk is None:
            self._at_end()
        return chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def test_the_leader_is_killed_after_the_last_chunk(
    dsn: str, conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workers have finished: only the proof at the end can tell that nobody held the rows in place."""
    filled(conn, "t", 10)
    with open_export(spec(), dsn=dsn) as export:
        pid = export._leader.connection.info.backend_pid
        monkeypatch.setattr(export, "_stream", Stream(export._stream, lambda: kill(conn, f"pid = {pid}")))
        with pytest.raises(ConnectionLost):
            read(export)
        assert not export.progress().finished


def test_connections_are_gone_after_a_failure_and_after_a_cancel(dsn: str, conn: psycopg.Connection) -> None:
    filled(conn, "t", PAGES)
    with half_read(dsn, spec()) as (export, _):
        export.cancel()
        with pytest.raises(PolyglotError):
            read(export)
    # Neither would the server end them by itself: the reader is still there.
    wait_for(lambda: not backends(conn, "application_name LIKE 'polyglot%'"), seconds=GONE_SECONDS)


def test_taking_the_moment_is_tried_again(dsn: str, conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table is replaced between its look-up and its lock; the second attempt finds the new one."""
    conn.execute("CREATE TABLE t AS SELECT 1 AS id")
    once: Actions = [lambda: conn.execute("DROP TABLE t; CREATE TABLE t AS SELECT 2 AS id, 'new' AS name")]
    before_lock(monkeypatch, once)
    with open_export(spec(), dsn=dsn) as export:
        assert read(export) == b"id,name\n2,new\n"


def test_a_rewrite_between_snapshot_and_lock_is_noticed(
    dsn: str, conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a view reads cannot be locked before the snapshot. Rewritten in between, the snapshot sees neither old nor
    new rows.
    """
    conn.execute("CREATE TABLE t AS SELECT 1 AS id; CREATE VIEW v AS SELECT * FROM t")
    once: Actions = [lambda: conn.execute("TRUNCATE t; INSERT INTO t VALUES (2)")]
    before_explain(monkeypatch, once)
    with open_export(spec("v"), dsn=dsn) as export:
        assert read(export) == b"id\n2\n"
    assert not once


def test_rewritten_each_time_is_an_error(dsn: str, conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    conn.execute("CREATE TABLE t AS SELECT 1 AS id; CREATE MATERIALIZED VIEW m AS SELECT * FROM t")
    before_explain(monkeypatch, [lambda: conn.execute("REFRESH MATERIALIZED VIEW m")] * ATTEMPTS)
    with pytest.raises(SourceChanged, match="was rewritten or dropped each time"):
        open_export(spec("m"), dsn=dsn)


def test_dropped_between_look_up_and_lock(dsn: str, conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    conn.execute("CREATE TABLE t AS SELECT 1 AS id")
    before_lock(monkeypatch, [lambda: conn.execute("DROP TABLE t")])
    with pytest.raises(PolyglotError, match="there is no table or view 't'"):
        open_export(spec(), dsn=dsn)


Actions = list[Callable[[], object]]


def before_lock(monkeypatch: pytest.MonkeyPatch, actions: Actions) -> None:
    """Run the next action right before the leader locks."""
    begin = Leader.begin

    def patched(self: Leader, settings: tuple[str, ...], lock: object) -> None:
        if settings and actions:
            actions.pop(0)()
        begin(self, settings, lock)  # type: ignore[arg-type]

    monkeypatch.setattr(Leader, "begin", patched)


def before_explain(monkeypatch: pytest.MonkeyPatch, actions: Actions) -> None:
    """Run the next action after the snapshot was taken and before EXPLAIN locks."""
    explain_statement = explained.explain_statement

    def patched(leader: Leader, statement: object) -> object:
        if actions:
            actions.pop(0)()
        return explain_statement(leader, statement)  # type: ignore[arg-type]

    monkeypatch.setattr(locate, "explain_statement", patched)


LATE = "CREATE TABLE p3 (id int NOT NULL, pad text); INSERT INTO p3 SELECT g, 'late' FROM generate_series(1000001, 1000100) AS g"


def test_a_partition_attached_meanwhile_is_not_read(dsn: str, conn: psycopg.Connection) -> None:
    partitioned(conn)
    expected = copied(conn, "SELECT * FROM p")
    conn.execute(LATE)
    with half_read(dsn, spec("p")) as (export, chunks):
        conn.execute("ALTER TABLE p ATTACH PARTITION p3 FOR VALUES FROM (1000001) TO (2000000)")
        assert b"".join(chunks) + read(export) == expected


@pytest.mark.parametrize(
    "request_",
    [spec("p", orderBy=[{"column": "id"}]), spec("v"), parse_spec({"format": "csv", "query": "SELECT * FROM p"})],
)
def test_a_partition_attached_before_a_whole_statement_begins_fails_the_export(
    dsn: str, conn: psycopg.Connection, request_: ExportSpec
) -> None:
    """A worker would plan the statement with the new partition, whose rows the snapshot can see."""
    partitioned(conn)
    conn.execute("CREATE VIEW v AS SELECT * FROM p")
    conn.execute(LATE)
    with open_export(request_, dsn=dsn) as export:
        conn.execute("ALTER TABLE p ATTACH PARTITION p3 FOR VALUES FROM (1000001) TO (2000000)")
        with pytest.raises(SourceChanged, match="a partition or child table was added"):
            read(export)


def test_a_partition_attached_after_a_whole_statement_began_does_no_harm(dsn: str, conn: psycopg.Connection) -> None:
    partitioned(conn)
    expected = copied(conn, "SELECT * FROM p ORDER BY id")
    conn.execute(LATE)
    with open_export(spec("p", orderBy=[{"column": "id"}]), dsn=dsn, run=SMALL_WINDOW) as export:
        first = export.next_chunk()
        conn.execute("ALTER TABLE p ATTACH PARTITION p3 FOR VALUES FROM (1000001) TO (2000000)")
        assert first is not None
        assert first + read(export) == expected


def test_all_formats_are_one_moment(dsn: str, conn: psycopg.Connection) -> None:
    filled(conn, "t", PAGES)
    expected = ndjson(conn, "SELECT * FROM t")
    with half_read(dsn, parse_spec({"format": "ndjson", "dataset": "t"})) as (export, chunks):
        conn.execute("DELETE FROM t WHERE id % 2 = 0")
        assert b"".join(chunks) + read(export) == expected
