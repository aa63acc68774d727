"""A dump takes the same memory whatever it is of: a thousand tables, a row of 100 MB, or folders for ten thousand values."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psycopg
import pytest

from polyglot_export.testing.usage import measure
from tests.fixtures.process import command, environment

pytestmark = pytest.mark.memory

LIMIT = 200_000_000
TABLES = 1_000
DUMP = "import sys; from polyglot_export import dump; dump(sys.argv[1], sys.argv[2], format=sys.argv[3], workers=2)"

VALUES = 10_000
PARTITIONED = """
import os, sys
from polyglot_export import dump
os.fsync = lambda _: None  # Not the disk is measured, and there are many files.
dump(sys.argv[1], sys.argv[2], format=sys.argv[3], workers=2, partition_by={"random": "key"})
"""
"""The rows of one value are everywhere in the table."""


def peak(dsn: str, folder: Path, format_: str, program: str = DUMP) -> int:
    usage = measure([sys.executable, "-c", program, dsn, str(folder), format_], env=dict(os.environ), timeout=150)
    assert usage.exit_code == 0, usage.errors
    return usage.peak


def test_a_thousand_tables(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    for first in range(0, TABLES, 100):
        conn.execute(
            "".join(
                f"CREATE TABLE t{number} AS SELECT g AS id, 'text ' || g AS text, now() AS at FROM generate_series(1, 50) g;"
                for number in range(first, first + 100)
            ).encode()
        )
    assert peak(dsn, tmp_path, "parquet") <= LIMIT
    assert len(list(tmp_path.iterdir())) == TABLES + 1


def test_large_tables_beside_a_row_of_a_hundred_megabytes(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    conn.execute(
        "CREATE TABLE wide (id int, text text); ALTER TABLE wide ALTER text SET STORAGE EXTERNAL;"
        "INSERT INTO wide SELECT 1, repeat('x', 100000000);"
        "CREATE TABLE long AS SELECT g AS id, md5(g::text) AS a, md5(g::text) AS b FROM generate_series(1, 400000) g"
    )
    assert peak(dsn, tmp_path, "csv") <= LIMIT


def test_a_folder_for_each_of_ten_thousand_values_in_random_order(
    dsn: str, conn: psycopg.Connection, tmp_path: Path
) -> None:
    """In Parquet, which holds most; ``benchmarks/confined_dumps.py`` has csv too."""
    conn.execute(
        f"CREATE TABLE random AS SELECT g AS id, (hashint4(g) & 2147483647) % {VALUES} AS key, repeat(md5(g::text), 30)"
        " AS pad FROM generate_series(1, 60000) g"
    )
    assert peak(dsn, tmp_path, "parquet", PARTITIONED) <= LIMIT
    assert len(list((tmp_path / "public.random").iterdir())) > 0.99 * VALUES
    assert {path.name[:10] for path in (tmp_path / "public.random").glob("*/*")} == {"part-00000", "part-00001"}


def test_a_folder_a_day_by_the_command(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    """The rows of a day are some megabytes, which wait in blocks that grow: what these leave is given back."""
    conn.execute(
        "CREATE TABLE days AS SELECT g AS id, timestamptz '2026-01-01Z' + g * interval '8 seconds' AS at,"
        " repeat(md5(g::text), 8) AS pad FROM generate_series(1, 700000) g"
    )
    arguments = ["dump", "-o", str(tmp_path), "--workers", "2", "--partition-by", "days:at:day", "--quiet"]
    usage = measure([*command(), *arguments], env=environment(dsn), timeout=150)
    assert usage.exit_code == 0, usage.errors
    assert usage.peak <= 120_000_000, "half as much again where it is kept"
