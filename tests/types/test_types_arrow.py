"""Every type of the catalogue in Arrow: in a stream, in a file and in memory, as pyarrow, polars and DuckDB read them,
the values equal the driver's.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import duckdb
import polars as pl
import psycopg
import pyarrow as pa
import pytest

from polyglot_export import export, export_arrow
from tests.types.catalogue import Catalogue
from tests.types.parquet_oracle import Expected, canonical, expected_column
from tests.types.test_types_parquet import difference, other

OPTIONS = {"unrepresentable": "null"}
Read = Callable[[str, str], tuple[pa.Table, dict[str, int]]]


def _file(dsn: str, table: str, format_: str) -> tuple[bytes, dict[str, int]]:
    with export(dsn, table, format=format_, order_by=["id"], options=OPTIONS) as chunks:
        return chunks.read(), dict(chunks.result().losses)


def _stream(dsn: str, table: str) -> tuple[pa.Table, dict[str, int]]:
    content, losses = _file(dsn, table, "arrow")
    return pa.ipc.open_stream(content).read_all(), losses


def _feather(dsn: str, table: str) -> tuple[pa.Table, dict[str, int]]:
    content, losses = _file(dsn, table, "feather")
    return pa.ipc.open_file(content).read_all(), losses


def _memory(dsn: str, table: str) -> tuple[pa.Table, dict[str, int]]:
    with export_arrow(dsn, table, order_by=["id"], options=OPTIONS) as batches:
        return pa.table(batches), dict(batches.result().losses)


@pytest.mark.parametrize("read", [_stream, _feather, _memory], ids=["stream", "feather", "memory"])
def test_pyarrow_reads_every_type(catalogue: Catalogue, read: Read) -> None:
    wrong = []
    for table, expected in _expected(catalogue):
        found, losses = read(catalogue.dsn, table)
        found.validate(full=True)
        assert losses == {name: each.losses for name, each in expected.items() if each.losses}
        assert found.column_names == ["id", *expected]
        for name, each in expected.items():
            column, type_ = found[name], _in_arrow(each.arrow)
            if column.type != type_:
                wrong.append(f"{table}.{name}: {column.type}, must be {type_}")
            elif (said := difference(canonical(column, each.arrow), each.values)) is not None:
                wrong.append(f"{table}.{name}: {said}")
    assert wrong == []


def _polars_stream(dsn: str, table: str) -> pa.Table:
    return pl.read_ipc_stream(io.BytesIO(_file(dsn, table, "arrow")[0])).to_arrow()


def _polars_feather(dsn: str, table: str) -> pa.Table:
    return pl.read_ipc(io.BytesIO(_file(dsn, table, "feather")[0])).to_arrow()


def _polars_memory(dsn: str, table: str) -> pa.Table:
    return export_arrow(dsn, table, order_by=["id"], options=OPTIONS).to_polars().to_arrow()


def _duckdb_memory(dsn: str, table: str) -> pa.Table:
    batches = export_arrow(dsn, table, order_by=["id"], options=OPTIONS)
    with batches, duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.from_arrow(batches).to_arrow_table()


def _pandas_memory(dsn: str, table: str) -> pa.Table:
    frame = export_arrow(dsn, table, order_by=["id"], options=OPTIONS).to_pandas()
    return pa.Table.from_pandas(frame)


@pytest.mark.parametrize("read", [_polars_stream, _polars_feather, _polars_memory, _duckdb_memory, _pandas_memory])
def test_others_read_every_value(catalogue: Catalogue, read: Callable[[str, str], pa.Table]) -> None:
    wrong = []
    for table, expected in _expected(catalogue):
        wrong += other(table, expected, read(catalogue.dsn, table))
    assert wrong == []


def _expected(catalogue: Catalogue) -> list[tuple[str, dict[str, Expected]]]:
    with psycopg.connect(catalogue.dsn, autocommit=True) as conn:
        return [
            (table.name, {each.name: expected_column(conn, catalogue, table.name, each) for each in table.columns})
            for table in catalogue.tables
        ]


def _in_arrow(parquet: pa.DataType) -> pa.DataType:
    """JSON is text, and UUIDs in a list are their bytes: what all readers take."""
    if pa.types.is_list(parquet):
        inner = _in_arrow(parquet.value_type)
        return pa.list_(pa.binary(16) if inner == pa.uuid() else inner)
    return pa.string() if parquet == pa.json_() else parquet
