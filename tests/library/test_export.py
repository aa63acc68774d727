"""The library's surface: iteration, progress, result, cancel, close, and what it does when it is misused."""

from __future__ import annotations

import gc
import threading
import time
import warnings
from pathlib import Path

import psycopg
import pytest

from polyglot_export import (
    Cancelled,
    CancelToken,
    ConnectionLost,
    InternalError,
    OrderTerm,
    RunSettings,
    UnsupportedValue,
    export,
    export_to_file,
    open_export,
    parse_spec,
)
from polyglot_export.execution.opening import explain
from polyglot_export.limits import PAGES_PER_SEGMENT
from polyglot_export.planning.describe import plan_text
from polyglot_export.planning.reservation import reservation
from tests.library.helpers import copied, exported, filled

SMALL_WINDOW = RunSettings(workers=2, chunk_bytes=64 * 1024, window_bytes=256 * 1024)


def connections(conn: psycopg.Connection) -> int:
    """How many others are connected to the database of the test."""
    row = conn.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def assert_released(conn: psycopg.Connection, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while connections(conn):
        assert time.monotonic() < deadline, "connections were not released"
        time.sleep(0.01)


def test_progress_and_result(dsn: str, conn: psycopg.Connection) -> None:
    rows = filled(conn, "t", 3 * PAGES_PER_SEGMENT)
    conn.execute("ANALYZE t")
    with open_export(parse_spec({"format": "csv", "dataset": "t"}), dsn=dsn, run=SMALL_WINDOW) as chunks:
        before = chunks.progress()
        assert (before.rows, before.bytes, before.segments_done, before.segments_total, before.fraction) == (
            0,
            0,
            0,
            3,
            0.0,
        )
        with pytest.raises(InternalError, match="no result before"):
            chunks.result()
        seen = [chunks.progress().fraction or 0.0 for _ in chunks]
        assert seen == sorted(seen)
        assert chunks.next_chunk() is None
        done = chunks.progress()
        assert (done.rows, done.finished, done.fraction, done.losses) == (rows, True, 1.0, {})
        assert done.estimated_rows == rows
        result = chunks.result()
        assert (result.rows, result.bytes, result.snapshot) == (rows, done.bytes, chunks.snapshot)
        assert result.seconds > 0
        assert chunks.next_chunk() is None
    assert chunks.result() == result
    assert chunks.progress().rows == rows
    assert_released(conn)


def test_one_segment_is_judged_by_the_estimate(dsn: str, conn: psycopg.Connection) -> None:
    filled(conn, "t", 100)
    conn.execute("ANALYZE t")
    spec = parse_spec({"format": "csv", "dataset": "t", "orderBy": [{"column": "id"}]})
    with open_export(spec, dsn=dsn, run=SMALL_WINDOW) as chunks:
        fractions = [chunks.progress().fraction for _ in chunks]
        assert all(fraction is not None and 0 < fraction <= 0.99 for fraction in fractions)
        assert chunks.progress().fraction == 1.0


def test_declared_losses_are_counted_by_column(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TABLE t AS SELECT g AS id, CASE WHEN g % 10 = 0 THEN 'NaN'::numeric(18,4) ELSE g END::numeric(18,4) AS n"
        " FROM generate_series(1, 100) AS g"
    )
    with pytest.raises(UnsupportedValue) as raised:
        exported(dsn, "t", format="parquet")
    assert (raised.value.row, raised.value.column) == (10, "n")
    with export(dsn, "t", format="parquet", columns={"n": "amount"}, options={"unrepresentable": "null"}) as chunks:
        b"".join(chunks)
        assert chunks.result().losses == chunks.progress().losses == {"amount": 10}


def test_cancel_from_another_thread(dsn: str, conn: psycopg.Connection) -> None:
    with export(dsn, query="SELECT generate_series(1, 1000000000) AS g") as chunks:
        assert chunks.next_chunk() is not None
        timer = threading.Timer(0.1, chunks.cancel)
        timer.start()
        with pytest.raises(Cancelled):
            for _ in chunks:
                pass
        timer.join()
        with pytest.raises(Cancelled):
            chunks.next_chunk()
        assert_released_but_leader(conn)
    assert_released(conn)


def assert_released_but_leader(conn: psycopg.Connection) -> None:
    """The workers' queries are cancelled in the server, not only forgotten here."""
    deadline = time.monotonic() + 20
    while conn.execute(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'"
        " AND backend_type = 'client backend'"
    ).fetchone():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_cancel_while_the_server_gives_nothing(dsn: str, conn: psycopg.Connection) -> None:
    with export(dsn, query="SELECT pg_sleep(60) AS s") as chunks:
        started = time.monotonic()
        timer = threading.Timer(0.2, chunks.cancel)
        timer.start()
        with pytest.raises(Cancelled):
            chunks.next_chunk()
        assert time.monotonic() - started < 20
        timer.join()
    assert_released(conn)


def test_cancel_while_opening_waits_for_a_lock(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE t AS SELECT 1 AS id")
    token = CancelToken()
    with psycopg.connect(dsn) as holder:
        holder.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        timer = threading.Timer(0.3, token.cancel)
        started = time.monotonic()
        timer.start()
        with pytest.raises(Cancelled):
            open_export(parse_spec({"format": "csv", "dataset": "t"}), dsn=dsn, token=token)
        assert 0.2 < time.monotonic() - started < 20
        timer.join()
    assert_released(conn)


def test_a_lock_that_is_freed_lets_the_opening_go_on(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE t AS SELECT 1 AS id")
    holder = psycopg.connect(dsn)
    holder.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE; INSERT INTO t VALUES (2)")

    def commit() -> None:
        holder.commit()
        holder.close()

    timer = threading.Timer(0.3, commit)
    timer.start()
    assert exported(dsn, "t") == b"id\n1\n2\n"
    timer.join()


def test_a_leader_that_is_gone_is_the_reason_for_a_snapshot_that_is(
    dsn: str, conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its backend gives up the snapshot before the connection: a worker may hear of it first."""
    filled(conn, "t", 3 * PAGES_PER_SEGMENT)
    monkeypatch.setattr("polyglot_export.postgres.leader.Leader.check", lambda _self: None)
    with open_export(parse_spec({"format": "csv", "dataset": "t"}), dsn=dsn, run=SMALL_WINDOW) as chunks:
        conn.execute("SELECT pg_terminate_backend(%s, 10000)", [chunks._leader.connection.info.backend_pid])
        with pytest.raises(ConnectionLost, match="the leader's connection"):
            chunks.next_chunk()


def test_a_cancelled_token_opens_nothing(dsn: str, conn: psycopg.Connection) -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        open_export(parse_spec({"format": "csv", "dataset": "t"}), dsn=dsn, token=token)
    assert_released(conn)


def test_token_callbacks() -> None:
    token = CancelToken()
    calls: list[str] = []
    token.on_cancel(lambda: calls.append("a"))
    forget = token.on_cancel(lambda: calls.append("b"))
    forget()
    token.cancel()
    token.cancel()
    token.on_cancel(lambda: calls.append("late"))
    assert calls == ["a", "late"]
    assert token.cancelled


def test_close_is_idempotent_and_releases_at_any_time(dsn: str, conn: psycopg.Connection) -> None:
    filled(conn, "t", 3 * PAGES_PER_SEGMENT)
    spec = parse_spec({"format": "csv", "dataset": "t"})
    for chunks_read in (0, 1, 5):
        chunks = open_export(spec, dsn=dsn, run=SMALL_WINDOW)
        for _ in range(chunks_read):
            assert chunks.next_chunk() is not None
        chunks.close()
        chunks.close()
        assert_released(conn)
        with pytest.raises(Cancelled):
            chunks.next_chunk()
        assert not chunks.progress().finished


def test_an_export_that_was_forgotten_releases_too(dsn: str, conn: psycopg.Connection) -> None:
    filled(conn, "t", 10)
    chunks = export(dsn, "t")
    chunks.next_chunk()
    assert connections(conn) > 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del chunks
        gc.collect()
    # The collector may meet what another test has left, too.
    own = [warning for warning in caught if "Export of" in str(warning.message)]
    assert [warning.category for warning in own] == [ResourceWarning]
    assert_released(conn)


def test_a_failed_opening_releases(dsn: str, conn: psycopg.Connection) -> None:
    for what in ({"source": "nope"}, {"query": "SELEC"}, {"query": "SELECT 1/0 AS a WHERE 'x'::int = 1"}):
        with pytest.raises(ValueError, match=r"dataset|query"):
            export(dsn, **what)  # type: ignore[arg-type]
    assert_released(conn)


def test_names_in_pg_stat_activity(dsn: str, conn: psycopg.Connection) -> None:
    filled(conn, "t", 3 * PAGES_PER_SEGMENT)
    run = RunSettings(workers=2, chunk_bytes=64 * 1024, window_bytes=256 * 1024, application_name="polyglot 1234")
    with open_export(parse_spec({"format": "csv", "dataset": "t"}), dsn=dsn, run=run) as chunks:
        chunks.next_chunk()
        names = conn.execute(
            "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        ).fetchall()
        assert {name[0] for name in names} == {"polyglot 1234"}


def test_export_to_file(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    filled(conn, "t", 100)
    result = export_to_file(dsn, "t", tmp_path / "t.csv", order_by=[OrderTerm(column="id", direction="desc")], limit=10)
    assert (tmp_path / "t.csv").read_bytes() == copied(conn, "SELECT * FROM t ORDER BY id DESC LIMIT 10")
    assert result.rows == 10
    export_to_file(dsn, None, str(tmp_path / "q.csv"), query="SELECT 1 AS a", workers=1)
    assert (tmp_path / "q.csv").read_bytes() == b"a\n1\n"


def test_the_plan_reads_well(dsn: str, conn: psycopg.Connection) -> None:
    filled(conn, "t", 2 * PAGES_PER_SEGMENT + 1)
    conn.execute("ANALYZE t")
    plan = explain(
        parse_spec({"format": "csv", "dataset": "t", "filter": [{"column": "id", "op": ">", "value": 5}]}), dsn=dsn
    )
    text = plan_text(plan)
    for part in (
        "public.t",
        "segments  3",
        "pages in 3 segments of 1,000",
        "id      id      integer  int4",
        'COPY (SELECT r."id", r."pad" FROM ONLY "public"."t" AS r WHERE ctid OPERATOR(pg_catalog.>=)',
        f"at most {reservation(plan) / (1 << 20):.0f} MiB",
    ):
        assert part in text, text
    assert "secret" not in repr(plan)
    whole = plan_text(explain(parse_spec({"format": "parquet", "dataset": "t", "limit": 3}), dsn=dsn))
    assert "a limit counts over all rows" in whole
    assert "PARQUET" in whole
    assert "about 3" in whole


def test_the_sql_that_is_shown_is_the_sql_that_runs(dsn: str, conn: psycopg.Connection) -> None:
    filled(conn, "t", 2 * PAGES_PER_SEGMENT + 1)
    plan = explain(parse_spec({"format": "csv", "dataset": "t"}), dsn=dsn)
    shown = plan_text(plan).rsplit("SQL of the first segment:\n", 1)[1]
    with conn.cursor().copy(shown.encode()) as copy:
        rows = sum(1 for _ in copy.rows())
    counted = conn.execute("SELECT count(*) FROM t WHERE ctid < '(1000,0)'").fetchone()
    assert counted == (rows,)
