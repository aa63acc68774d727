"""What a file of each format should say: the server's own answer, and a reader that is not ours."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import openpyxl
import psycopg
import pyarrow.ipc
import pyarrow.parquet
import zstandard
from lxml import etree

from polyglot_export.compressions import Compression
from polyglot_export.destinations.naming import choose
from polyglot_export.formats.registry import Format
from tests.library.helpers import copied, ndjson

__all__ = ["BEGINS", "DECOMPRESS", "ORACLES", "Oracle", "begins_as_named"]

NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


class Oracle(NamedTuple):
    """Both sides of a comparison.

    Attributes:
        server: What the server says about a query.
        read: The same of a file.
        begins: What every file begins with, one of these, where there is such a thing. What the service answers is
            JSON too.
    """

    server: Callable[[psycopg.Connection, str], Any]
    read: Callable[[bytes], Any]
    begins: tuple[bytes, ...] = ()


def _json(conn: psycopg.Connection, query: str) -> bytes:
    lines = ndjson(conn, query).splitlines()
    return b"[\n" + b",\n".join(lines) + b"\n]\n" if lines else b"[]\n"


Row = list[tuple[str, Any]]
"""Names and values of the columns."""


def _texts(conn: psycopg.Connection, query: str) -> list[Row]:
    """Each value as the text of a leaf: numbers as they are printed, booleans as words. (PostgreSQL's own XML needs a
    server that was built with it; tests/types compares with one.)
    """
    rows = [json.loads(line, parse_float=str, parse_int=str) for line in ndjson(conn, query).splitlines()]
    words = {None: None, True: "true", False: "false"}
    return [
        [(name, words[value] if isinstance(value, bool | None) else value) for name, value in row.items()]
        for row in rows
    ]


def _leaf(leaf: etree._Element) -> str | None:
    return None if leaf.get(NIL) == "true" else leaf.text or ""


def _xml(file: bytes) -> list[Row]:
    root = etree.fromstring(file)
    assert root.tag == "records"
    assert {record.tag for record in root} <= {"record"}
    return [[(str(leaf.tag), _leaf(leaf)) for leaf in record] for record in root]


def _rows(conn: psycopg.Connection, query: str) -> list[Row]:
    cursor = conn.execute(query.encode())
    names = [column.name for column in cursor.description or ()]
    return [list(zip(names, row, strict=True)) for row in cursor]


def _parquet(file: bytes) -> list[Row]:
    table = pyarrow.parquet.read_table(io.BytesIO(file))
    return [list(row.items()) for row in table.to_pylist()]


DIGITS = 15
"""Of a number that a cell can hold."""


def _cells(conn: psycopg.Connection, query: str) -> list[Row]:
    """Each value as a cell has it: as the driver says, where it is a number of few digits, and as text otherwise."""
    return [[(name, _cell(value)) for name, value in row] for row in _rows(conn, query)]


def _cell(value: Any) -> Any:
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return float(value) if sum(map(str.isdigit, str(value))) <= DIGITS else str(value)
    return value if isinstance(value, bool | None) else str(value)


def _xlsx(file: bytes) -> list[Row]:
    book = openpyxl.load_workbook(io.BytesIO(file), read_only=True)
    found: list[Row] = []
    for sheet in book.worksheets:
        header, *rows = sheet.iter_rows(values_only=True)
        names = [str(name) for name in header]
        found += [list(zip(names, map(_number, row), strict=True)) for row in rows]
    book.close()
    return found


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _arrow(file: bytes) -> list[Row]:
    return [list(row.items()) for row in pyarrow.ipc.open_stream(file).read_all().to_pylist()]


def _feather(file: bytes) -> list[Row]:
    return [list(row.items()) for row in pyarrow.ipc.open_file(file).read_all().to_pylist()]


def _as_written(file: bytes) -> bytes:
    return file


def _parsed(file: bytes) -> bytes:
    """Written anew, so that it is read at all."""
    json.loads(file, parse_float=Decimal)
    return file


ORACLES: dict[Format, Oracle] = {
    Format.CSV: Oracle(copied, _as_written),
    Format.TSV: Oracle(lambda conn, query: copied(conn, query, r"HEADER, DELIMITER E'\t'"), _as_written),
    Format.JSON: Oracle(_json, _parsed, (b"[", b"{")),
    Format.NDJSON: Oracle(ndjson, _as_written, (b"{",)),
    Format.XML: Oracle(_texts, _xml, (b"<?xml ",)),
    Format.PARQUET: Oracle(_rows, _parquet, (b"PAR1",)),
    Format.XLSX: Oracle(_cells, _xlsx, (b"PK\x03\x04",)),
    Format.ARROW: Oracle(_rows, _arrow, (b"\xff\xff\xff\xff",)),
    Format.FEATHER: Oracle(_rows, _feather, (b"ARROW1",)),
}

BEGINS: dict[Compression, bytes] = {Compression.GZIP: b"\x1f\x8b", Compression.ZSTD: b"\x28\xb5\x2f\xfd"}
"""What every compressed file begins with."""
DECOMPRESS: dict[Compression, Callable[[bytes], bytes]] = {
    Compression.GZIP: gzip.decompress,
    Compression.ZSTD: lambda file: zstandard.ZstdDecompressor().stream_reader(io.BytesIO(file)).read(),
}


def begins_as_named(path: Path) -> bool:
    """Whether the first bytes of a file are those of the format and compression that its name says. CSV has no first
    bytes of its own: it begins as none of the others does.
    """
    target = choose(str(path), None, None)
    first = path.read_bytes()
    if target.compression is not None:
        return first.startswith(BEGINS[target.compression]) and _fits(
            target.format, DECOMPRESS[target.compression](first)
        )
    return _fits(target.format, first)


def _fits(format_: Format, first: bytes) -> bool:
    """An export without rows has nothing but what the format itself writes, which may be nothing."""
    begins = ORACLES[format_].begins
    others = (*(start for each in ORACLES.values() for start in each.begins), *BEGINS.values())
    return first.startswith(begins) if begins else not first.startswith(others)
