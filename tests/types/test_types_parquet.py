"""Every type of the catalogue in Parquet: schema and values as pyarrow, DuckDB and polars read them equal the
driver's.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyglot_export import export
from tests.types.catalogue import Catalogue, Table, quoted
from tests.types.parquet_oracle import SPARK, Expected, canonical, expected_column


@pytest.mark.parametrize("reader", ["pyarrow", "duckdb", "polars"])
def test_every_type_is_what_a_driver_returns(catalogue: Catalogue, reader: str, tmp_path: Path) -> None:
    deviations: list[str] = []
    with psycopg.connect(catalogue.dsn, autocommit=True) as conn:
        for table in catalogue.tables:
            expected = {column.name: expected_column(conn, catalogue, table.name, column) for column in table.columns}
            with export(
                catalogue.dsn, table.name, format="parquet", order_by=["id"], options={"unrepresentable": "null"}
            ) as chunks:
                file = b"".join(chunks)
                losses = dict(chunks.result().losses)
            assert losses == {name: each.losses for name, each in expected.items() if each.losses}
            deviations += _READERS[reader](table, expected, file, tmp_path / "t.parquet")
    assert deviations == []


REFUSED_BY_SPARK = frozenset({"UUID", "TIME", "INTERVAL", "FLOAT16", "VARIANT", "GEOMETRY", "GEOGRAPHY"})
"""Logical types for which ``ParquetToSparkSchemaConverter.convertPrimitiveField`` of Spark 3.5 and 4 has no case, as
pyarrow names them: https://github.com/apache/spark/blob/v3.5.6/sql/core/src/main/scala/org/apache/spark/sql/execution/datasources/parquet/ParquetSchemaConverter.scala
Of FIXED_LEN_BYTE_ARRAY it takes decimals alone."""


def test_the_profile_spark_writes_nothing_that_spark_refuses(catalogue: Catalogue) -> None:
    """And text is the server's. ``make readers`` asks Spark itself."""
    deviations: list[str] = []
    used = set()
    with psycopg.connect(catalogue.dsn, autocommit=True) as conn:
        for table in catalogue.tables:
            expected = {
                column.name: expected_column(conn, catalogue, table.name, column, SPARK) for column in table.columns
            }
            options = {"unrepresentable": "null", "profile": "spark"}
            with export(catalogue.dsn, table.name, format="parquet", order_by=["id"], options=options) as chunks:
                file = b"".join(chunks)
                assert dict(chunks.result().losses) == {
                    name: each.losses for name, each in expected.items() if each.losses
                }
            schema = pq.ParquetFile(io.BytesIO(file)).schema
            for leaf in (schema.column(at) for at in range(len(schema))):
                used.add(leaf.logical_type.type)
                assert leaf.logical_type.type not in REFUSED_BY_SPARK, leaf
                assert leaf.physical_type != "FIXED_LEN_BYTE_ARRAY" or leaf.logical_type.type == "DECIMAL", leaf
            deviations += _pyarrow(table, expected, file, Path())
    assert deviations == []
    assert {"STRING", "DECIMAL", "TIMESTAMP", "DATE", "JSON"} <= used


def _pyarrow(table: Table, expected: dict[str, Expected], file: bytes, _path: Path) -> list[str]:
    found = pq.read_table(io.BytesIO(file))
    assert found.column_names == ["id", *expected]
    wrong = []
    for name, each in expected.items():
        column = found[name]
        if column.type != each.arrow:
            wrong.append(f"{table.name}.{name}: {column.type}, must be {each.arrow}")
        elif (said := difference(canonical(column, each.arrow), each.values)) is not None:
            wrong.append(f"{table.name}.{name}: {said}")
    return wrong


REFUSED_BY_DUCKDB = frozenset({"json", "_json"})
"""It parses JSON columns while it reads them, and refuses lone surrogates, which the json type may hold."""


def _duckdb(table: Table, expected: dict[str, Expected], file: bytes, path: Path) -> list[str]:
    path.write_bytes(file)
    columns = ", ".join(
        f"NULL AS {quoted(name)}" if name in REFUSED_BY_DUCKDB else quoted(name) for name in ("id", *expected)
    )
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.sql(f"SELECT {columns} FROM read_parquet('{path}')").to_arrow_table()
    return other(table.name, {name: each for name, each in expected.items() if name not in REFUSED_BY_DUCKDB}, found)


def _polars(table: Table, expected: dict[str, Expected], file: bytes, _path: Path) -> list[str]:
    return other(table.name, expected, pl.read_parquet(io.BytesIO(file)).to_arrow())


_READERS = {"pyarrow": _pyarrow, "duckdb": _duckdb, "polars": _polars}


def other(table: str, expected: dict[str, Expected], found: pa.Table) -> list[str]:
    """A reader with types of its own (large strings, nanoseconds): the values alone are compared."""
    assert set(found.column_names) >= set(expected)
    wrong = []
    for name, each in expected.items():
        values = canonical(_cast(found[name].combine_chunks(), each.arrow), each.arrow)
        if (said := difference(values, each.values)) is not None:
            wrong.append(f"{table}.{name}: {said}")
    return wrong


def _cast(values: pa.Array, type_: pa.DataType) -> pa.Array:
    if pa.types.is_list(type_):
        inner = _cast(values.values, type_.value_type)
        return pa.ListArray.from_arrays(values.offsets.cast(pa.int32()), inner, mask=values.is_null())
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    if isinstance(type_, pa.BaseExtensionType):
        type_ = type_.storage_type
    if pa.types.is_fixed_size_binary(type_):
        return pa.array([_uuid(value) for value in values.to_pylist()], type_)
    return values.cast(type_)


def _uuid(value: str | bytes | None) -> bytes | None:
    """DuckDB hands UUIDs out as text."""
    return bytes.fromhex(value.replace("-", "")) if isinstance(value, str) else value


def difference(found: list[Any], expected: list[Any]) -> str | None:
    if len(found) != len(expected):
        return f"{len(found)} rows, the server has {len(expected)}"
    for at, (value, wanted) in enumerate(zip(found, expected, strict=True)):
        if value != wanted or type(value) is not type(wanted) or str(value) != str(wanted):
            return f"row {at + 1}: {value!r:.300}, the driver says {wanted!r:.300}"
    return None
