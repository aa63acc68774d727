"""Parquet's options of types, for readers that do not have all of them. What the server prints is compared."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyglot_export import ExportResult, SpecError, UnsupportedValue, export
from tests.fixtures.server import Database

Shared = tuple[str, psycopg.Connection]
TYPED = """
CREATE DOMAIN key AS uuid;
CREATE TABLE typed AS SELECT g AS id, u AS u, u::key AS k, ARRAY[u, NULL] AS us, t AS t, ARRAY[t, NULL] AS ts, j::json AS j,
  j::jsonb AS jb, ARRAY[j::jsonb, NULL] AS js
FROM (VALUES (1, 'f47ac10b-58cc-4372-a567-0e02b2c3d479'::uuid, '12:34:56.000001'::time, '{"b": 1,  "a": [1.50, null]}'),
  (2, '00000000-0000-0000-0000-000000000000', '00:00:00', '"x"'), (3, NULL, NULL, NULL),
  (4, 'ffffffff-ffff-ffff-ffff-ffffffffffff', '23:59:59.999999', 'null')) AS v(g, u, t, j);
"""
STAMPS = """
CREATE TABLE stamps AS SELECT g AS id, v::timestamp AS t, (v || '+00')::timestamptz AS z,
  ARRAY[v::timestamp, NULL] AS ts FROM (VALUES (1, '2026-01-31 12:00:00.5'), (2, '1969-12-31 23:59:59.999'), (3, NULL),
  (4, '0001-01-01 00:00:00'), (5, '9999-12-31 23:59:59.999'), (6, '1582-10-04 23:00:00')) AS w(g, v);
"""


@pytest.fixture(scope="module")
def shared(server: Database) -> Iterator[Shared]:
    with server.database() as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(TYPED)
        conn.execute(STAMPS)
        yield dsn, conn


def parquet(dsn: str, source: str | None = None, **what: Any) -> tuple[pq.ParquetFile, ExportResult]:
    """The file, opened, and the result of its export."""
    with export(dsn, source, format="parquet", **what) as chunks:
        file = b"".join(chunks)
        return pq.ParquetFile(io.BytesIO(file)), chunks.result()


def printed(conn: psycopg.Connection, expression: str) -> list[Any]:
    """What the server says of each row of ``typed``."""
    return [row[0] for row in conn.execute(f"SELECT {expression} FROM typed ORDER BY id".encode()).fetchall()]


@pytest.mark.parametrize(
    ("option", "columns", "lists"),
    [("uuid", ["u", "k"], ["us"]), ("time", ["t"], ["ts"]), ("json", ["j", "jb"], ["js"])],
)
def test_a_type_as_the_servers_text(shared: Shared, option: str, columns: list[str], lists: list[str]) -> None:
    dsn, conn = shared
    file, result = parquet(dsn, "typed", options={option: "text"})
    rows = file.read()
    for name in columns:
        assert rows.schema.field(name).type == pa.string()
        assert file.schema.column(rows.column_names.index(name)).logical_type.type == "STRING"
        assert rows[name].to_pylist() == printed(conn, f"{name}::text")
    for name in lists:
        assert rows.schema.field(name).type == pa.list_(pa.string())
        assert rows[name].to_pylist() == printed(conn, f"{name}::text[]")
    assert result.losses == {}


def test_arrays_as_json_without_the_logical_type(shared: Shared) -> None:
    dsn, conn = shared
    rows = parquet(dsn, "typed", options={"arrays": "json", "json": "text"})[0].read()
    for name in ("us", "ts", "js"):
        assert rows.schema.field(name).type == pa.string()
        assert rows[name].to_pylist() == printed(conn, f"to_json({name})::text")


def test_a_time_as_a_number_of_microseconds(shared: Shared) -> None:
    """24:00:00 has one too."""
    dsn, conn = shared
    query = "SELECT t, ARRAY[t] AS l FROM (SELECT t FROM typed UNION ALL SELECT '24:00:00') AS x"
    file, result = parquet(dsn, query=query, options={"time": "int64"})
    rows = file.read()
    assert rows.schema.types == [pa.int64(), pa.list_(pa.int64())]
    micros = conn.execute(f"SELECT (extract(epoch FROM t) * 1000000)::bigint FROM ({query}) AS x".encode()).fetchall()
    assert rows["t"].to_pylist() == [row[0] for row in micros]
    assert rows["l"].to_pylist() == [list(row) for row in micros]
    assert result.losses == {}


def test_timestamps_in_milliseconds(shared: Shared) -> None:
    dsn, conn = shared
    rows = parquet(dsn, "stamps", options={"timestamps": "millis"})[0].read()
    assert rows.schema.types[1:] == [pa.timestamp("ms"), pa.timestamp("ms", "UTC"), pa.list_(pa.timestamp("ms"))]
    expected = conn.execute("SELECT t, z AT TIME ZONE 'UTC' AS z FROM stamps ORDER BY id").fetchall()
    assert rows["t"].to_pylist() == [row[0] for row in expected]
    assert [None if z is None else z.replace(tzinfo=None) for z in rows["z"].to_pylist()] == [r[1] for r in expected]
    assert [each[0] for each in rows["ts"].to_pylist()] == [row[0] for row in expected]


@pytest.mark.parametrize("type_", ["timestamp", "timestamptz"])
def test_microseconds_that_milliseconds_cannot_hold(shared: Shared, type_: str) -> None:
    dsn, _ = shared
    query = f"SELECT v::{type_} AS v FROM unnest(ARRAY['2026-01-01 00:00:00.001', '1999-12-31 23:59:59.9999', 'infinity']) AS v"
    with pytest.raises(UnsupportedValue, match=r"does not fit in TIMESTAMP\(MILLIS\)") as caught:
        parquet(dsn, query=query, options={"timestamps": "millis"})
    assert (caught.value.row, caught.value.column) == (2, "v")
    file, result = parquet(dsn, query=query, options={"timestamps": "millis", "unrepresentable": "null"})
    assert result.losses == {"v": 2}
    first = datetime(2026, 1, 1, 0, 0, 0, 1000, UTC if type_ == "timestamptz" else None)
    assert file.read()["v"].to_pylist() == [first, None, None]


def test_int96_timestamps(shared: Shared, tmp_path: Path) -> None:
    """In lists, over many pages; read back by pyarrow and DuckDB."""
    dsn, conn = shared
    conn.execute(
        "CREATE TABLE many AS SELECT '2026-01-31 12:00:00.000001'::timestamp + g * '1 hour'::interval AS t,"
        " CASE WHEN g % 3 > 0 THEN '2020-01-01'::timestamptz + g % 5 * '1 day'::interval END AS few FROM generate_series(-9000, 9000) g"
    )
    for source in ("stamps", "many"):
        plain = parquet(dsn, source)[0].read()
        with export(dsn, source, format="parquet", options={"timestamps": "int96"}) as chunks:
            (tmp_path / source).write_bytes(b"".join(chunks))
        file = pq.ParquetFile(tmp_path / source, coerce_int96_timestamp_unit="us")
        rows = file.read()
        for name in [name for name in plain.column_names if name != "id"]:
            at = plain.column_names.index(name)
            assert file.schema.column(at).physical_type == "INT96"
            assert rows[name].cast(plain.schema.field(name).type).equals(plain[name])
        if source == "many":
            column = file.metadata.row_group(0).column(1)
            assert column.statistics.null_count == plain["few"].null_count
            assert not column.statistics.has_min_max
    with duckdb.connect() as other:
        found = other.sql(f"SELECT t, few FROM read_parquet('{tmp_path / 'many'}')").fetchall()
    assert found == conn.execute("SELECT t, few AT TIME ZONE 'UTC' FROM many").fetchall()
    with pytest.raises(UnsupportedValue, match="does not fit in INT96"):
        parquet(dsn, query="SELECT 'infinity'::timestamp AS v", options={"timestamps": "int96"})


def test_an_option_wins_over_the_profile(shared: Shared) -> None:
    dsn, _ = shared
    names = ["u", "t"]
    columns = {name: name for name in names}
    spark = parquet(dsn, "typed", columns=columns, options={"profile": "spark"})[0].read()
    assert spark.schema.types == [pa.string(), pa.string()]
    both = parquet(dsn, "typed", columns=columns, options={"profile": "spark", "time": "int64"})[0].read()
    assert both.schema.types == [pa.string(), pa.int64()]
    kept = parquet(dsn, "typed", columns=columns, options={"profile": "spark", "uuid": "uuid"})[0].read()
    assert kept.schema.types == [pa.uuid(), pa.string()]
    with pytest.raises(SpecError, match="'spark'"):
        parquet(dsn, "typed", options={"profile": "hive"})


def test_the_profile_says_that_old_dates_are_gregorian(shared: Shared) -> None:
    """By the entry that Spark asks for; a file that is not for Spark does not pretend to be one of Spark's."""
    dsn, _ = shared
    key = b"org.apache.spark.version"
    assert parquet(dsn, "stamps", options={"profile": "spark"})[0].metadata.metadata[key] == b"3.5.0"
    assert key not in parquet(dsn, "stamps")[0].metadata.metadata


def test_columns_that_spark_refuses_are_named_once(shared: Shared) -> None:
    dsn, _ = shared
    (remark,) = parquet(dsn, "typed")[1].remarks
    assert remark == (
        "columns 'u', 'k', 'us' are UUID and columns 't', 'ts' are TIME, for which Spark refuses the whole file;"
        " profile=spark writes text"
    )
    assert parquet(dsn, "typed", options={"profile": "spark"})[1].remarks == ()
    (remark,) = parquet(dsn, query="SELECT now()::time AS at, 1.5 * 1 AS n", options={"numericFallback": "double"})[
        1
    ].remarks
    assert remark.startswith("column 'at' is TIME, ")
    assert parquet(dsn, query="SELECT 1 AS i, now() AS t")[1].remarks == ()
