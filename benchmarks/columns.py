"""Whether a large file holds what its table holds, by sums and digests of whole columns: pyarrow on one side, the
server on the other.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from pathlib import Path
from typing import IO
from zipfile import ZipFile

import psycopg
import pyarrow.compute
import pyarrow.parquet
from psycopg import sql

from polyglot_export.testing.records import Sums

__all__ = ["large_file_problem", "other_table_problem"]

BLOCK_BYTES = 4 << 20
BATCH_ROWS = 20_000
COLUMNS_AT_ONCE = 400
"""Columns of one statement: the server allows 1,664 results."""


def large_file_problem(path: Path, format_name: str, expected: Sums) -> str | None:
    """What is wrong with a file of ``records`` that is too large to be read value by value in Python."""
    if format_name in _COUNTERS:
        rows = _COUNTERS[format_name](path)
        return None if rows == expected.rows else f"{rows} records instead of {expected.rows}"
    file = pyarrow.parquet.ParquetFile(path)
    rows = ids = characters = 0
    id_values = Decimal(0)
    for batch in file.iter_batches(BATCH_ROWS, columns=["id", "value", "name"]):
        number, value, name = batch.column("id"), batch.column("value"), batch.column("name")
        rows += batch.num_rows
        ids += pyarrow.compute.sum(number).as_py()
        characters += pyarrow.compute.sum(pyarrow.compute.utf8_length(name)).as_py() or 0
        wide = pyarrow.compute.multiply(number.cast(pyarrow.decimal128(19, 0)), value)
        id_values += pyarrow.compute.sum(wide.cast(pyarrow.decimal128(38, 4))).as_py() or Decimal(0)
    found = (rows, ids, id_values, characters)
    wanted = (expected.rows, expected.ids, expected.id_values, expected.name_characters)
    return None if found == wanted else f"{found} instead of {wanted}"


def other_table_problem(path: Path, dsn: str, table: str) -> str | None:
    """What is wrong with a Parquet file of a table of integers and texts: each column's sum, or digest, and the number
    of rows.
    """
    file = pyarrow.parquet.ParquetFile(path)
    names = file.schema_arrow.names
    for first in range(0, len(names), COLUMNS_AT_ONCE):
        part = names[first : first + COLUMNS_AT_ONCE]
        texts = [name for name in part if pyarrow.types.is_string(file.schema_arrow.field(name).type)]
        wanted = _facts_of_server(dsn, table, part, set(texts))
        found = _facts_of_file(file, part, set(texts))
        if found != wanted:
            column = next(
                (name for name, mine, theirs in zip(part, found[1:], wanted[1:], strict=True) if mine != theirs),
                "the rows",
            )
            return f"{column} of {table} differs from the server"
    return None


def _facts_of_server(dsn: str, table: str, names: list[str], texts: set[str]) -> list[object]:
    """The number of rows, and a sum or digest a column, in the order of the table."""
    facts = [
        sql.SQL("md5(coalesce(string_agg(md5({}), ''), ''))" if name in texts else "sum({}::numeric)").format(
            sql.Identifier(name)
        )
        for name in names
    ]
    query = sql.SQL("SELECT count(*), {} FROM {}").format(sql.SQL(", ").join(facts), sql.Identifier(table))
    with psycopg.connect(dsn) as connection:
        connection.execute("SET max_parallel_workers_per_gather = 0; SET synchronize_seqscans = off")
        row = connection.execute(query).fetchone()
    return [int(fact) if isinstance(fact, Decimal) else fact for fact in row or ()]


def _facts_of_file(file: pyarrow.parquet.ParquetFile, names: list[str], texts: set[str]) -> list[object]:
    sums: dict[str, int] = dict.fromkeys(names, 0)
    digests = {name: hashlib.md5(usedforsecurity=False) for name in texts}
    rows = 0
    for batch in file.iter_batches(BATCH_ROWS, columns=names):
        rows += batch.num_rows
        for name in names:
            column = batch.column(name)
            if name in texts:
                for value in column.to_pylist():
                    digests[name].update(hashlib.md5(value.encode(), usedforsecurity=False).hexdigest().encode())
            else:
                sums[name] += pyarrow.compute.sum(column.cast(pyarrow.int64())).as_py() or 0
    return [rows, *(digests[name].hexdigest() if name in texts else sums[name] for name in names)]


def _records_of_xml(path: Path) -> int:
    """How many records end in a file; none of its values holds such a tag unescaped."""
    with path.open("rb") as file:
        return _occurrences(file, b"</record>")


def _rows_of_xlsx(path: Path) -> int:
    """How many rows its sheets have, without their headers."""
    rows = 0
    with ZipFile(path) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/"):
                with archive.open(name) as sheet:
                    rows += _occurrences(sheet, b"</row>") - 1
    return rows


def _occurrences(file: IO[bytes], end: bytes) -> int:
    found, carry = 0, b""
    while block := file.read(BLOCK_BYTES):
        block = carry + block
        found += block.count(end)
        carry = block[len(block) - len(end) + 1 :]
    return found


_COUNTERS = {"xml": _records_of_xml, "xlsx": _rows_of_xlsx}
"""Formats of which only the rows are counted."""
