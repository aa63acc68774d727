"""A query as a data frame of pandas or polars, with the types of the database.

Parquet is the way in: a CSV would have to be guessed at, while Parquet says that a column is a decimal, a day or a
moment.

    DATABASE_URL=postgresql://localhost/shop python examples/data_frames.py "select * from orders"

Needs ``pip install pandas polars pyarrow`` beside the package.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from pathlib import Path

import pandas as pd
import polars as pl

from polyglot_export import export, export_to_file


def pandas_frame(dsn: str | None, query: str) -> pd.DataFrame:
    """All rows in memory. The types of Arrow keep NULL in integer columns, and every digit of a numeric."""
    with export(dsn, query=query, format="parquet") as chunks:
        file = io.BytesIO(b"".join(chunks))
    return pd.read_parquet(file, dtype_backend="pyarrow")


def polars_frame(dsn: str | None, query: str) -> pl.DataFrame:
    """All rows in memory."""
    with export(dsn, query=query, format="parquet") as chunks:
        return pl.read_parquet(io.BytesIO(b"".join(chunks)))


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
    with tempfile.TemporaryDirectory() as folder:
        rows = polars_scan(dsn, query, Path(folder) / "rows.parquet").select(pl.len()).collect().item()
    print(f"{rows:,} rows")


if __name__ == "__main__":
    main(*sys.argv[1:])
