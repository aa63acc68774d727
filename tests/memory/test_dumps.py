"""A dump takes the same memory whatever it is of: a thousand tables, or a row of 100 MB."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psycopg
import pytest

from polyglot_export.testing.usage import measure

pytestmark = pytest.mark.memory

LIMIT = 200_000_000
TABLES = 1_000
DUMP = "import sys; from polyglot_export import dump; dump(sys.argv[1], sys.argv[2], format=sys.argv[3], workers=2)"


def peak(dsn: str, folder: Path, format_: str) -> int:
    usage = measure([sys.executable, "-c", DUMP, dsn, str(folder), format_], env=dict(os.environ), timeout=150)
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
