"""Reads the column ``v`` of files with one reader, and prints a line of JSON for each file.

    read.py READER FILE …

It needs nothing of this project: it runs in the environment of the reader. A value is printed as text, a list as a list
of them; ``type`` is what the reader calls the column.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

Read = Callable[[str], tuple[str, Iterable[Any]]]


def printed(value: Any) -> Any:
    """A value as text."""
    if value is None or type(value).__name__ in ("NaTType", "NAType"):
        return None
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return "true" if value else "false"
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dt.datetime):
        if value.tzinfo is not None:
            value = value.astimezone(dt.UTC).replace(tzinfo=None)
        return value.isoformat(sep=" ")
    if isinstance(value, dt.timedelta):
        return str((dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + value).time())
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, list | tuple) or type(value).__name__ in ("ndarray", "Series"):
        return [printed(each) for each in value]
    if isinstance(value, float) or type(value).__name__.startswith("float"):
        return repr(float(value))
    if type(value).__name__ == "datetime64":
        return str(value).replace("T", " ")
    return str(value)


def pyarrow(path: str) -> tuple[str, Iterable[Any]]:
    import pyarrow.parquet as pq

    column = pq.read_table(path)["v"]
    return str(column.type), column.to_pylist()


def pandas(path: str) -> tuple[str, Iterable[Any]]:
    import pandas as pd

    column = pd.read_parquet(path, engine="pyarrow")["v"]
    return str(column.dtype), _of_frame(column)


def fastparquet(path: str) -> tuple[str, Iterable[Any]]:
    from fastparquet import ParquetFile

    column = ParquetFile(path).to_pandas()["v"]
    return str(column.dtype), _of_frame(column)


def _of_frame(column: Any) -> list[Any]:
    """A frame has NaN for NULL in columns of numbers; the last row is NULL in every file."""
    values = [_of_list(value) if type(value).__name__ == "ndarray" else value for value in column]
    last = values[-1]
    if isinstance(last, float) and last != last:  # noqa: PLR0124 - NaN
        values[-1] = None
    return values


def _of_list(values: Any) -> list[Any]:
    """The same within a list."""
    return [None if isinstance(each, float) and each != each else each for each in values.tolist()]  # noqa: PLR0124


def polars(path: str) -> tuple[str, Iterable[Any]]:
    import polars as pl

    column = pl.read_parquet(path)["v"]
    return str(column.dtype), column.to_list()


def duckdb(path: str) -> tuple[str, Iterable[Any]]:
    import duckdb as db

    with db.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        # As DuckDB prints them: Python's dates end where its own do not.
        kind = connection.sql(f"SELECT typeof(v) FROM read_parquet('{path}')").fetchall()[0][0]
        as_text = "list_transform(v, lambda x: x::VARCHAR)" if kind.endswith("[]") else "v::VARCHAR"
        if kind == "BLOB":
            as_text = "lower(hex(v))"
        rows = connection.sql(f"SELECT {as_text} FROM read_parquet('{path}')").fetchall()
    return kind, [row[0] for row in rows]


def datafusion(path: str) -> tuple[str, Iterable[Any]]:
    import datafusion as df

    table = df.SessionContext().read_parquet(path).to_arrow_table()
    return str(table["v"].type), table["v"].to_pylist()


def chdb(path: str) -> tuple[str, Iterable[Any]]:
    import chdb as db

    source = f"file('{path}', Parquet) SETTINGS schema_inference_make_columns_nullable = 1"
    kind = json.loads(str(db.query(f"SELECT toTypeName(v) AS t FROM {source}", "JSONCompact")))["data"][0][0]
    as_text = "toString(x)"
    if "FixedString" in kind or path.endswith("-bytes.parquet"):
        as_text = "lower(hex(x))"
    of = f"arrayMap(x -> {as_text}, v)" if kind.startswith("Array") else as_text.replace("x)", "v)", 1)
    rows = json.loads(str(db.query(f"SELECT {of} AS t FROM {source}", "JSONCompact")))["data"]
    return kind, [row[0] for row in rows]


def spark() -> Read:
    """One session for all files: it takes long to start."""
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "1g")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")

    def read(path: str) -> tuple[str, Iterable[Any]]:
        frame = session.read.parquet(path)
        kind = frame.schema["v"].dataType.simpleString()
        as_text = "v" if kind.startswith("array") else "hex(v)" if kind == "binary" else "cast(v AS string)"
        rows = [row[0] for row in frame.selectExpr("id", f"{as_text} AS v").orderBy("id").select("v").collect()]
        return kind, [row.lower() if kind == "binary" and row is not None else row for row in rows]

    return read


READERS: dict[str, Callable[[], Read]] = {
    "pyarrow": lambda: pyarrow,
    "pandas": lambda: pandas,
    "fastparquet": lambda: fastparquet,
    "polars": lambda: polars,
    "duckdb": lambda: duckdb,
    "datafusion": lambda: datafusion,
    "chdb": lambda: chdb,
    "spark": spark,
}


def main(name: str, paths: list[str]) -> None:
    """Print what the reader sees."""
    read = READERS[name]()
    for path in paths:
        answer: dict[str, Any] = {"file": path}
        try:
            kind, values = read(path)
            answer |= {"type": kind, "values": [printed(value) for value in values]}
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a reader raises is its answer; polars panics
            answer["error"] = " ".join(str(error).split())[:400] or type(error).__name__
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
