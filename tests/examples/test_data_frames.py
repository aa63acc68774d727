"""Frames of pandas and polars hold what the server says, with its types."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import psycopg
import pytest

from examples.data_frames import duckdb_rows, pandas_frame, polars_frame, polars_scan
from polyglot_export import StatementFailed
from tests.examples.helpers import FOLDER, ORDERS
from tests.fixtures.process import environment

QUERY = "SELECT * FROM orders ORDER BY id"
FAILS_LATE = "SELECT g, 1 / (200000 - g) AS x FROM generate_series(1, 200000) AS g"
"""Divides by zero in its last row."""


def test_a_frame_of_pandas(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(ORDERS)
    frame = pandas_frame(dsn, QUERY)
    # What a frame has for NULL is pandas' own NA.
    rows = frame.astype(object).where(frame.notna(), None).itertuples(index=False, name=None)
    assert list(rows) == conn.execute(QUERY).fetchall()
    assert (type(frame["total"][0]), type(frame["placed_on"][0])) == (Decimal, date)


def test_a_frame_of_polars(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(ORDERS)
    frame = polars_frame(dsn, QUERY)
    assert frame.rows() == conn.execute(QUERY).fetchall()
    assert frame.schema["total"] == pl.Decimal(12, 2)


def test_rows_of_duckdb(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(ORDERS)
    total = "SELECT count(*), sum(total) FROM {}"
    assert duckdb_rows(dsn, QUERY, total.format("rows")) == conn.execute(total.format("orders").encode()).fetchall()
    with pytest.raises(Exception, match="division by zero"):
        duckdb_rows(dsn, FAILS_LATE, "SELECT count(x) FROM rows")


def test_a_file_that_polars_scans(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    conn.execute(ORDERS)
    scan = polars_scan(dsn, QUERY, tmp_path / "orders.parquet")
    total = scan.filter(pl.col("placed_on") < date(2026, 2, 1)).select(pl.col("total").sum()).collect().item()
    assert (total,) == conn.execute("SELECT sum(total) FROM orders WHERE placed_on < '2026-02-01'").fetchone()


def test_a_query_that_fails_makes_no_frame_and_no_file(dsn: str, tmp_path: Path) -> None:
    for frame in (pandas_frame, polars_frame):
        with pytest.raises(StatementFailed, match="division by zero"):
            frame(dsn, FAILS_LATE)
    with pytest.raises(StatementFailed, match="division by zero"):
        polars_scan(dsn, FAILS_LATE, tmp_path / "x.parquet")
    assert list(tmp_path.iterdir()) == []


def test_the_program(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(ORDERS)
    command = [sys.executable, str(FOLDER / "data_frames.py"), "SELECT * FROM orders"]
    done = subprocess.run(command, env=environment(dsn), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("2,000 rows\n")
