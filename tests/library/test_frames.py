"""An export as batches of Arrow in memory: readers, failures, abandoned exports, threads and Ctrl-C. The values of all
types are in ``tests/types/test_types_arrow.py``.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import psycopg
import pyarrow as pa
import pytest

from polyglot_export import (
    ArrowExport,
    Cancelled,
    ConnectionLost,
    PolyglotError,
    SpecError,
    StatementFailed,
    UnsupportedValue,
    export,
    export_arrow,
)
from polyglot_export.limits import ARROW_BATCH_BYTES, PAGES_PER_SEGMENT, WINDOW_BYTES
from tests.fixtures.process import environment
from tests.library.helpers import filled
from tests.library.test_export import assert_released, connections

FAILS_LATE = "SELECT g, 1 / (300000 - g) AS x FROM generate_series(1, 300000) AS g"
"""Divides by zero in its last row, some batches after the first."""
LONG = "SELECT generate_series(1, 1000000000) AS g, repeat('x', 1000) AS filler"

Shared = tuple[str, psycopg.Connection, int]


@pytest.fixture(scope="module")
def shared(module_dsn: str) -> Iterator[Shared]:
    """A table of three segments."""
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        yield module_dsn, conn, filled(conn, "long", 3 * PAGES_PER_SEGMENT)


def _duckdb(batches: ArrowExport) -> list[int]:
    with duckdb.connect() as connection:
        return [row[0] for row in connection.from_arrow(batches).fetchall()]


READERS: dict[str, Callable[[ArrowExport], list[int]]] = {
    "pyarrow": lambda batches: pa.table(batches)["id"].to_pylist(),
    "polars": lambda batches: pl.DataFrame(batches)["id"].to_list(),
    "duckdb": _duckdb,
    "pandas": lambda batches: list(pd.DataFrame.from_arrow(batches)["id"]),
    "to_arrow": lambda batches: batches.to_arrow()["id"].to_pylist(),
    "to_polars": lambda batches: batches.to_polars()["id"].to_list(),
    "to_pandas": lambda batches: list(batches.to_pandas()["id"]),
    "one by one": lambda batches: [each for one in batches for each in pa.record_batch(one)["id"].to_pylist()],
}
every_reader = pytest.mark.parametrize("reader", READERS.values(), ids=READERS)


@every_reader
def test_a_reader_gets_all_rows_and_nothing_stays_open(
    reader: Callable[[ArrowExport], list[int]], shared: Shared
) -> None:
    """Without ``with``: whoever has read all needs to close nothing, and is not warned."""
    dsn, conn, rows = shared
    batches = export_arrow(dsn, "long", columns=["id"], workers=2)
    found = reader(batches)
    assert found == [row[0] for row in conn.execute("SELECT id FROM long ORDER BY ctid")]
    assert_released(conn)
    result = batches.result()
    assert (result.rows, len(found), batches.progress().finished) == (rows, rows, True)
    assert result.bytes >= 4 * rows


def test_columns_terms_order_and_limit(shared: Shared) -> None:
    dsn, conn, _ = shared
    batches = export_arrow(
        dsn,
        "long",
        columns={"id": "number"},
        where="id > 10",
        filter=[{"column": "id", "op": "<", "value": 40}],
        order_by="id:desc",
        limit=5,
    )
    assert (
        batches.to_polars().rows()
        == conn.execute("SELECT id FROM long WHERE id > 10 AND id < 40 ORDER BY id DESC LIMIT 5").fetchall()
    )
    frame = export_arrow(dsn, query="SELECT 1.50::numeric AS n", options={"numericFallback": "double"}).to_polars()
    assert frame.schema == {"n": pl.Float64}


def test_no_rows_have_columns_too(shared: Shared) -> None:
    dsn, _, _ = shared
    query = "SELECT 1::int2 AS a, now() AS b WHERE false"
    assert export_arrow(dsn, query=query).to_arrow().schema.types == [pa.int16(), pa.timestamp("us", "UTC")]
    assert export_arrow(dsn, query=query).to_polars().schema == {"a": pl.Int16, "b": pl.Datetime("us", "UTC")}


def test_the_schema_is_known_before_a_row_is_read(shared: Shared) -> None:
    dsn, _, _ = shared
    with export_arrow(dsn, "long") as batches:
        assert pa.schema(batches).names == ["id", "pad"]
        assert batches.progress().rows == 0
        assert pa.schema(batches).metadata[b"polyglot.snapshot"].decode() == batches.snapshot
        assert pa.table(batches).schema == pa.schema(batches)


@every_reader
def test_a_failure_in_the_middle_is_an_error_of_the_reader(
    reader: Callable[[ArrowExport], list[int]], shared: Shared
) -> None:
    dsn, conn, _ = shared
    batches = export_arrow(dsn, query=FAILS_LATE.replace("SELECT g,", "SELECT g AS id,"))
    with pytest.raises(Exception, match="division by zero"):
        reader(batches)
    assert isinstance(batches.failure, StatementFailed)
    assert_released(conn)


@pytest.mark.parametrize("method", ["to_arrow", "to_polars", "to_pandas"])
def test_our_methods_raise_our_errors(method: str, shared: Shared) -> None:
    dsn, _, _ = shared
    with pytest.raises(StatementFailed, match="division by zero") as raised:
        getattr(export_arrow(dsn, query=FAILS_LATE), method)()
    assert raised.value.sqlstate == "22012"
    with pytest.raises(UnsupportedValue) as unsupported:
        getattr(export_arrow(dsn, query="SELECT 'infinity'::date AS d"), method)()
    assert (unsupported.value.row, unsupported.value.column) == (1, "d")


@pytest.mark.parametrize("whose", ["worker", "leader"])
def test_a_killed_backend_is_never_a_short_table(whose: str, shared: Shared) -> None:
    """Also where the leader goes, which reads no row: its locks kept the rows where they are."""
    dsn, conn, _ = shared
    with export_arrow(dsn, query=f"SELECT g AS id FROM ({LONG}) AS x") as batches:
        rows = iter(batches)
        next(rows)
        state = "active" if whose == "worker" else "idle in transaction"
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND state = %s",
            [state],
        )
        with pytest.raises(PolyglotError) as raised:
            for _ in rows:
                pass
        assert isinstance(raised.value, ConnectionLost | StatementFailed)
        assert isinstance(batches.failure, ConnectionLost | StatementFailed)


def test_a_reader_that_wants_no_more_ends_the_query(shared: Shared) -> None:
    dsn, conn, _ = shared
    batches = export_arrow(dsn, query=LONG)
    reader = pa.RecordBatchReader.from_stream(batches)
    assert reader.read_next_batch().num_rows > 0
    assert connections(conn) > 0
    del reader
    assert_released(conn)
    with pytest.raises(Cancelled):
        next(iter(batches._next, None))


def test_what_nobody_reads_is_closed_with_a_warning(shared: Shared) -> None:
    dsn, conn, _ = shared
    with pytest.warns(ResourceWarning, match="was not closed"):
        export_arrow(dsn, "long")
    batches = export_arrow(dsn, "long")
    batches.__arrow_c_stream__()  # a reader that takes it and reads nothing
    assert_released(conn)
    with export_arrow(dsn, "long") as unread:
        assert "running" in repr(unread)
        assert repr(unread).startswith("<ArrowExport of public.long")
    assert_released(conn)


def test_batches_are_read_once(shared: Shared) -> None:
    dsn, _, rows = shared
    with export_arrow(dsn, "long") as batches:
        assert pa.table(batches).num_rows == rows
        for again in (lambda: pa.table(batches), lambda: list(batches)):
            with pytest.raises(SpecError, match="read once"):
                again()


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(SpecError, match="for files") as raised:
        export_arrow(None, "t", options={"compression": "zstd"})
    assert raised.value.field == "options.compression"
    with pytest.raises(TypeError):
        export_arrow(None, "t", format="csv")  # type: ignore[call-arg]


def test_workers_wait_for_a_reader_that_does_not_read(shared: Shared) -> None:
    """What was read and not taken is bounded; the rest comes when it is asked for."""
    dsn, _, _ = shared
    with export_arrow(dsn, query="SELECT repeat('x', 1000) AS t FROM generate_series(1, 100000)", workers=2) as batches:
        rows = iter(batches)
        first = next(rows)
        assert ARROW_BATCH_BYTES / 2 < len(first) < 2 * ARROW_BATCH_BYTES
        held = [len(first), *(len(batch) for batch in rows)]
    assert max(held) < 2 * ARROW_BATCH_BYTES < WINDOW_BYTES
    assert sum(held) > 100_000_000


def test_cancel_from_another_thread_reaches_the_reader(shared: Shared) -> None:
    dsn, conn, _ = shared
    batches = export_arrow(dsn, query="SELECT pg_sleep(1000)")
    started = threading.Event()

    def cancel() -> None:
        started.wait()
        while not conn.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query ~ 'pg_sleep' AND state = 'active'"
            " AND pid <> pg_backend_pid()"
        ).fetchone():
            time.sleep(0.01)
        batches.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    started.set()
    with pytest.raises(Cancelled):
        batches.to_polars()
    thread.join()
    assert_released(conn)


def test_readers_in_many_threads(shared: Shared) -> None:
    """Each with a stream of its own, whether its reader holds the GIL or not."""
    dsn, _, rows = shared
    found: list[int] = []
    readers: list[Callable[[ArrowExport], Any]] = [pa.table, pl.DataFrame, pa.table, pl.DataFrame]
    threads = [
        threading.Thread(target=lambda read=read: found.append(len(read(export_arrow(dsn, "long", workers=2)))))
        for read in readers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [rows] * len(threads)


CTRL_C = f"""
import signal, sys, threading
from polyglot_export import export_arrow
batches = export_arrow(sys.argv[1], query={LONG!r})
threading.Timer(0.5, signal.raise_signal, [signal.SIGINT]).start()
try:
    batches.to_polars()
except KeyboardInterrupt:
    print("interrupted", batches.progress().finished)
"""


def test_ctrl_c_ends_the_reading(shared: Shared) -> None:
    dsn, conn, _ = shared
    done = subprocess.run(
        [sys.executable, "-c", CTRL_C, dsn],
        env=environment(dsn),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "interrupted False\n", done.stderr
    assert_released(conn)


WITHOUT_PYARROW = """
import sys
sys.modules["pyarrow"] = None
import polars
from polyglot_export import export_arrow
print(polars.DataFrame(export_arrow(sys.argv[1], "long", columns=["id"])).height)
"""


def test_pyarrow_need_not_be_there(shared: Shared) -> None:
    dsn, _, rows = shared
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PYARROW, dsn],
        env=environment(dsn),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == f"{rows}\n", done.stderr


def test_a_file_can_be_read_at_once(shared: Shared) -> None:
    dsn, conn, _ = shared
    with export(dsn, "long", limit=3, order_by="id") as chunks:
        assert chunks.read().splitlines()[1][:2] == b"1,"
        assert chunks.read() == b""
    with export(dsn, query=FAILS_LATE) as failing, pytest.raises(StatementFailed):
        failing.read()
    assert_released(conn)


def test_the_arguments_are_those_of_an_export() -> None:
    """But for what a file has."""
    ours, theirs = (inspect.signature(each).parameters for each in (export_arrow, export))
    assert list(ours) == [name for name in theirs if name not in ("format", "compression")]
    assert [ours[name].annotation for name in ours] == [theirs[name].annotation for name in ours]
