"""A table of as many columns as PostgreSQL lets one have."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from polyglot_export import dump, verify
from tests.cli.helpers import copied
from tests.dumps.helpers import files

COLUMNS = 1_600


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_sixteen_hundred_columns(dsn: str, conn: psycopg.Connection, tmp_path: Path, format_: str) -> None:
    columns = ", ".join(f"c{number} int DEFAULT {number}" for number in range(COLUMNS))
    conn.execute(f"CREATE TABLE wide ({columns})".encode())
    conn.execute("INSERT INTO wide (c0) SELECT generate_series(1, 300)")
    result = dump(dsn, tmp_path, tables="wide", format=format_)
    assert len(result.manifest.relations[0].columns) == COLUMNS
    if format_ == "csv":
        (name,) = files(tmp_path)
        assert (tmp_path / name).read_bytes() == copied(conn, "SELECT * FROM wide")
    assert verify(tmp_path, dsn).ok
