"""The table of ``docs/formats/types.md``: a row for each type that the core has a record of, with a value as every
format has written it.

``python -m tests.types.table`` writes the page; a test compares the two.
"""

from __future__ import annotations

import io
import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet

from polyglot_export import _core, export
from polyglot_export.testing.postgres import EmbeddedServer
from tests.formats.xlsx_reader import DATE, GENERAL, TIME_MS, TIMESTAMP_MS, sheets
from tests.types.values import VALUES, literal

__all__ = ["PAGE", "page"]

PAGE = Path(__file__).parents[2] / "docs" / "formats" / "types.md"
HEAD = "| PostgreSQL | CSV | JSON, NDJSON | XML | Parquet | xlsx |\n| --- | --- | --- | --- | --- | --- |\n"

EXAMPLES = {
    "int2": "-7",
    "int4": "42",
    "int8": "9007199254740993",
    "oid": "16384",
    "float4": "1.5",
    "float8": "0.1",
    "numeric": "1234567.80",
    "text": "a, b",
    "char": "a",
    "bytea": "\\x00ff",
    "date": "2026-01-31",
    "time": "12:00:00.5",
    "timetz": "12:00:00.5+01",
    "timestamp": "2026-01-31 12:00:00.5",
    "timestamptz": "2026-01-31 12:00:00.5+00",
    "interval": "1 year 2 mons 3 days 04:05:06",
    "uuid": "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    "json": '{"a": 1}',
    "jsonb": '{"a": 1}',
}
"""Plain values; a type without one shows the first of its samples in the tests."""
STYLES = {GENERAL: "number", DATE: "date", TIMESTAMP_MS: "date and time", TIME_MS: "time"}
MODIFIERS = {"numeric": "(9,2)"}
"""Types that are another one in Parquet when they have a modifier."""


def page(dsn: str, text: str) -> str:
    """The text of the page with its table made anew."""
    before, _, rest = text.partition(HEAD)
    if not rest:
        raise ValueError(f"{PAGE.name} has no table with the head {HEAD.splitlines()[0]}")
    _, end, after = rest.partition("\n\n")
    return before + HEAD + "\n".join(_rows(dsn)) + end + after


def _rows(dsn: str) -> Iterator[str]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for record in _core.types():
            # What only generated SQL makes is no type of anybody's column.
            if record.postgres:
                names = [_name(connection, each) for each in record.postgres]
                yield f"| {', '.join(f'`{name}`' for name in names)} | {' | '.join(_cells(dsn, record.postgres[0]))} |"


def _name(connection: psycopg.Connection, type_: str) -> str:
    """As people write it: ``smallint`` for ``int2``, but ``timestamptz``."""
    row = connection.execute(
        "SELECT pg_catalog.format_type(to_regtype(%s), NULL)", [f'pg_catalog."{type_}"']
    ).fetchone()
    assert row is not None
    return type_ if row[0].endswith(" time zone") else str(row[0])


def _cells(dsn: str, type_: str) -> Iterator[str]:
    value = literal(EXAMPLES.get(type_, VALUES[type_][0]))
    query = f'SELECT {value}::pg_catalog."{type_}"{MODIFIERS.get(type_, "")} AS v'

    def written(format_: str, **options: Any) -> bytes:
        with export(dsn, query=query, format=format_, options=options) as chunks:
            return b"".join(chunks)

    yield _code(written("csv", header=False).decode().removesuffix("\n"))
    yield _code(written("ndjson").decode().removeprefix('{"v":').removesuffix("}\n"))
    leaf = ET.fromstring(written("xml")).find("record/v")
    assert leaf is not None
    children = "".join(ET.tostring(child, encoding="unicode") for child in leaf)
    yield _code(children or leaf.text or "")
    yield _parquet_type(pyarrow.parquet.ParquetFile(io.BytesIO(written("parquet"))).schema.column(0))
    yield _in_cell(written("xlsx"))


def _in_cell(file: bytes) -> str:
    ((cell,),) = sheets(file)[0].rows
    assert cell is not None
    return {"n": STYLES[cell.style], "b": "boolean", "inlineStr": "text"}[cell.kind] + f" {_code(cell.text)}"


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def _parquet_type(column: Any) -> str:
    """By the names of the format's specification."""
    logical = column.logical_type.type
    match logical:
        case "NONE" | "INT":
            return str(column.physical_type)
        case "DECIMAL":
            return f"DECIMAL({column.precision},{column.scale})"
        case "TIME":
            return "TIME(MICROS)"
        case "TIMESTAMP":
            in_utc = json.loads(column.logical_type.to_json())["isAdjustedToUTC"]
            return "TIMESTAMP(MICROS)" + (", UTC" if in_utc else "")
    return str(logical)


def main() -> int:
    """Write the page."""
    with EmbeddedServer() as server:
        PAGE.write_text(page(server.dsn(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
