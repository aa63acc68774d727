"""A query as a data frame of pandas or polars, with the types of the database.

The rows come as batches of Arrow, which say that a column is a decimal, a day or a moment; a CSV would have to be
guessed at. They are of one snapshot, and a query that fails makes no frame.

    DATABASE_URL=postgresql://localhost/shop python examples/data_frames.py "select * from orders"

Needs ``pip install pandas polars pyarrow duckdb`` beside the package.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl

from polyglot_export import export_arrow, export_to_file


def pandas_frame(dsn: str | None, query: str) -> pd.DataFrame:
    """All rows in memory. The types of Arrow keep NULL in integer columns, and every digit of a numeric."""
    return export_arrow(dsn, query=query).to_pandas()


def polars_frame(dsn: str | None, query: str) -> pl.DataFrame:
    """All rows in memory."""
    return export_arrow(dsn, query=query).to_polars()


def duckdb_rows(dsn: str | None, query: str, sql: str) -> list[tuple[Any, ...]]:
    """What DuckDB makes of the rows, which it calls ``rows``, as they come: they are nowhere all in memory."""
    with export_arrow(dsn, query=query) as rows, duckdb.connect() as connection:
        connection.register("rows", rows)
        return connection.execute(sql).fetchall()


def polars_scan(dsn: str | None, query: str, path: Path) -> pl.LazyFrame:
    """More rows than fit into memory: the export goes to a file, and polars reads from it what it needs.

    The file appears complete or not at all, so a frame never has only a part of the rows.
    """
    export_to_file(dsn, None, path, query=query, format="parquet")
    return pl.scan_parquet(path)


def main(query: str) -> None:
    """Print what each way makes of the same query."""
    dsn = os.environ.get("DATABASE_URL")
    print(pandas_frame(dsn, query).dtypes)
    print(polars_frame(dsn, query))
    print(duckdb_rows(dsn, query, "SELECT count(*) FROM rows"))
    with tempfile.TemporaryDirectory() as folder:
        rows = polars_scan(dsn, query, Path(folder) / "rows.parquet").select(pl.len()).collect().item()
    print(f"{rows:,} rows")


if __name__ == "__main__":
    main(*sys.argv[1:])
