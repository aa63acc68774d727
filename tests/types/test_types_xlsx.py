"""Every type of the catalogue, every sample value, in a workbook: a number, a date or a boolean that is what the server
says, or its text.
"""

from __future__ import annotations

import csv
import io
from datetime import date, datetime, time, timedelta

import psycopg

from tests.formats.xlsx_reader import GENERAL, Cell, sheets
from tests.library.helpers import copied, exported
from tests.types.catalogue import Catalogue, quoted

NULL = "\x01NULL"
MOST_UNITS = 32_767
UTC = "+00"
"""What a timestamptz has behind it and a cell has not."""
ZERO = datetime.fromisoformat("1899-12-30")
ROUNDED = 20
"""Microseconds by which a double misses a whole millisecond of the year 9999."""


def test_every_type_is_what_the_server_says(catalogue: Catalogue) -> None:
    with psycopg.connect(catalogue.dsn, autocommit=True) as conn:
        wrong = []
        for table in catalogue.tables:
            (sheet,) = sheets(exported(catalogue.dsn, table.name, format="xlsx", options={"longText": "truncate"}))
            expected = texts(conn, f"SELECT {', '.join(map(quoted, sheet.header))} FROM {table.name}")
            assert len(sheet.rows) == len(expected)
            for row, wanted in zip(sheet.rows, expected, strict=True):
                for name, cell, text in zip(sheet.header, row, wanted, strict=True):
                    if not says(cell, text):
                        wrong.append(f"{table.name}.{name}: {cell!r:.300}, the server says {text!r:.300}")
    assert wrong == []


def texts(conn: psycopg.Connection, query: str) -> list[list[str | None]]:
    """What COPY has for each value."""
    csv.field_size_limit(1 << 30)
    rows = csv.reader(io.StringIO(copied(conn, query, f"NULL '{NULL}'").decode(), newline=""))
    return [[None if text == NULL else text for text in row] for row in rows]


def says(cell: Cell | None, text: str | None) -> bool:
    """Whether a cell says what the server says."""
    if cell is None or text is None:
        return cell is None and text is None
    if cell.kind == "inlineStr":
        return cell.text in (cut(text), text.replace(UTC, ""))
    if cell.kind == "b":
        return cell.text == {"t": "1", "f": "0"}[text]
    if cell.style == GENERAL:
        return cell.text == text
    micros = since_zero(text.removesuffix(UTC))
    return abs(cell.micros - micros) <= (ROUNDED if micros % 1000 == 0 else 0)


def since_zero(text: str) -> int:
    """Microseconds of a time, or of a date since the zero of spreadsheets."""
    if "-" in text:
        moment = datetime.fromisoformat(text)
    else:
        moment = datetime.combine(date(1899, 12, 30), time.fromisoformat(text))
    return (moment - ZERO) // timedelta(microseconds=1)


def cut(text: str) -> str:
    """As much of a text as a cell holds, in whole characters."""
    return text.encode("utf-16-le")[: 2 * MOST_UNITS].decode("utf-16-le", "ignore")
