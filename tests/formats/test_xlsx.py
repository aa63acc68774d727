"""xlsx: what is a number, a date or a text, read back by programs of other people; sheets; losses counted by column. All
types are in ``tests/types``.
"""

from __future__ import annotations

import csv
import io
import re
import subprocess
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastexcel
import openpyxl
import psycopg
import pytest
from psycopg import sql

from polyglot_export import SpecError, UnsupportedValue, dump, export, export_to_file, verify
from tests.fixtures.server import Database
from tests.formats.xlsx_reader import DATE, GENERAL, GUARDED, TIME, TIME_MS, TIMESTAMP, TIMESTAMP_MS, Cell, sheets
from tests.library.helpers import copied, exported
from tests.types.test_types_xlsx import says, texts

Shared = tuple[str, psycopg.Connection]

MANY = 1_048_576
"""One row more than a sheet holds beside its header."""
SAMPLE = r"""
CREATE TABLE sample (small int2, id int, big int8, exact numeric, ratio float8, half float4, ok bool, day date, at timestamp,
  seen timestamptz, clock time, name text, nothing text, empty text, span interval, list int[], document jsonb, raw bytea);
INSERT INTO sample VALUES
 (-7, 1, 9007199254740993, 1.500, 0.1, 1.5, true, '2026-01-31', '2026-01-31 12:00:00.5', '2026-07-31 12:00:00+00', '23:59:59',
  '=SUM(A1:A9)', NULL, '', '1 day 02:00', '{1,NULL}', '{"a": 1}', '\x00ff'),
 (7, 2, 999999999999999, 12345678901234.567, 'NaN', 'Infinity', false, '1900-02-28', '1999-12-31 23:59:59.123456', 'infinity', '24:00',
  E' two\r\nlines\t<&> ', NULL, '', '-3 days', '{}', '[]', '\x'),
 (0, 3, -1000000000000000, 2.5000000000000000000, 5e-324, 0, NULL, '10000-01-01', '0044-03-15 BC', '1900-03-01 00:00+00', '00:00:00.000001',
  E'_x0041_ \x01 ünï 😀', NULL, '', '0', '{}', 'null', '\x');
CREATE TABLE many AS SELECT g::int AS n FROM generate_series(1, 1048576) AS g;
CREATE TABLE long (id int, label text);
INSERT INTO long VALUES (1, 'fine'), (2, repeat('x', 32767)), (3, repeat('😀', 16384)), (4, repeat('y', 100000));
"""


@pytest.fixture(scope="module")
def shared(server: Database) -> Iterator[Shared]:
    with server.database() as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(SAMPLE.encode())
        yield dsn, conn


def rows(dsn: str, source: str | None = None, **what: Any) -> list[list[Cell | None]]:
    """The rows of a workbook that has one sheet."""
    (sheet,) = sheets(exported(dsn, source, format="xlsx", **what))
    return sheet.rows


def styled(cell: Cell | None) -> tuple[str, int] | None:
    return None if cell is None else (cell.kind, cell.style)


# --- values ------------------------------------------------------------------------------------------------------


def test_each_cell_says_what_the_server_says(shared: Shared) -> None:
    dsn, conn = shared
    expected = texts(conn, "SELECT * FROM sample")
    for row, wanted in zip(rows(dsn, "sample"), expected, strict=True):
        assert all(says(cell, text) for cell, text in zip(row, wanted, strict=True)), (row, wanted)


def test_what_a_cell_cannot_hold_is_text_value_by_value(shared: Shared) -> None:
    """Digits beyond fifteen, NaN, days on which programs do not agree, 24:00."""
    dsn, _ = shared
    number, text = ("n", GENERAL), ("inlineStr", GENERAL)
    kinds = list(zip(*[[styled(cell) for cell in row] for row in rows(dsn, "sample")], strict=True))
    assert kinds[:11] == [
        (number, number, number),
        (number, number, number),
        (text, number, ("inlineStr", GUARDED)),
        (number, text, number),
        (number, text, text),
        (number, text, number),
        (("b", 0), ("b", 0), None),
        (("n", DATE), text, text),
        (("n", TIMESTAMP_MS), ("n", TIMESTAMP_MS), text),
        (("n", TIMESTAMP), text, ("n", TIMESTAMP)),
        (("n", TIME), text, ("n", TIME_MS)),
    ]


@pytest.mark.parametrize(
    ("value", "is_date"),
    [
        ("1900-02-28", False),
        ("1900-03-01", True),
        ("2079-06-04 23:59:59.999999", True),
        ("2100-01-01 12:34:56.789", True),
        ("2079-06-05 12:34:56.789012", False),
        ("9999-12-31 23:59:59.999", True),
        ("10000-01-01", False),
        ("-infinity", False),
    ],
)
def test_a_timestamp_is_a_date_where_its_number_tells_it(value: str, is_date: bool, shared: Shared) -> None:
    dsn, conn = shared
    query = f"SELECT '{value}'::timestamp AS at"
    ((cell,),) = rows(dsn, query=query)
    ((text,),) = texts(conn, query)
    assert cell is not None
    assert says(cell, text)
    assert (cell.kind == "n") is is_date


def test_timestamptz_is_the_wall_clock_of_the_zone(shared: Shared) -> None:
    dsn, conn = shared
    zone = "Europe/Berlin"
    found = rows(dsn, "sample", columns=["seen"], options={"timeZone": zone})
    expected = texts(conn, f"SELECT seen AT TIME ZONE '{zone}' FROM sample")
    assert all(says(cell, text) for (cell,), (text,) in zip(found, expected, strict=True))
    assert found != rows(dsn, "sample", columns=["seen"])


def test_a_text_that_would_be_a_formula_stays_text(shared: Shared) -> None:
    """Also when somebody edits the cell: its style is that of text, with the prefix that a quote would make."""
    dsn, _ = shared
    query = "SELECT t FROM unnest(ARRAY['=1+1', '+1', '-1', '@SUM(1)', 'x=1']) AS t"
    file = exported(dsn, query=query, format="xlsx")
    assert [styled(row[0]) for row in sheets(file)[0].rows] == [("inlineStr", GUARDED)] * 4 + [("inlineStr", GENERAL)]
    book = openpyxl.load_workbook(io.BytesIO(file))
    cells = [row[0] for row in book.worksheets[0].iter_rows(min_row=2)]
    assert "f" not in {cell.data_type for cell in cells}
    assert [cell.quotePrefix for cell in cells] == [True] * 4 + [False]
    assert cells[0].number_format == "@"


class TestLongText:
    """Text of more than 32,767 UTF-16 units."""

    def test_is_an_error_that_names_row_and_column(self, shared: Shared) -> None:
        dsn, _ = shared
        with pytest.raises(UnsupportedValue, match="longText") as raised:
            exported(dsn, "long", format="xlsx", order_by=["id"])
        assert (raised.value.row, raised.value.column) == (3, "label")

    def test_is_cut_between_characters_and_counted(self, shared: Shared) -> None:
        dsn, _ = shared
        with export(dsn, "long", format="xlsx", order_by=["id"], options={"longText": "truncate"}) as chunks:
            (sheet,) = sheets(b"".join(chunks))
            assert chunks.result().losses == {"label": 2}
        labels = [row[1].text for row in sheet.rows if row[1] is not None]
        assert labels == ["fine", "x" * 32_767, "😀" * 16_383, "y" * 32_767]

    def test_of_an_array_too(self, shared: Shared) -> None:
        dsn, _ = shared
        query = "SELECT array_fill(123456789, ARRAY[200000]) AS list"
        with pytest.raises(UnsupportedValue, match="longText"):
            exported(dsn, query=query, format="xlsx")
        ((cell,),) = rows(dsn, query=query, options={"longText": "truncate"})
        assert cell is not None
        assert cell.text == "{" + ("123456789," * 4000)[:32_766]


# --- readers that are not ours -----------------------------------------------------------------------------------


def test_openpyxl(shared: Shared) -> None:
    dsn, conn = shared
    book = openpyxl.load_workbook(io.BytesIO(exported(dsn, "sample", format="xlsx")))
    found = [list(row) for row in book.worksheets[0].iter_rows(values_only=True)]
    record = conn.execute("SELECT small, id, exact, ratio, ok, day, at, seen, clock, name, nothing, empty FROM sample")
    assert record.description is not None
    wanted = record.fetchone()
    assert wanted is not None
    at = [found[0].index(column.name) for column in record.description]
    values = [found[1][index] for index in at]
    small, id_, exact, ratio, ok, day, moment, seen, clock, name, nothing, empty = wanted
    midnight = datetime.combine(day, datetime.min.time())
    zoneless = seen.astimezone(UTC).replace(tzinfo=None)
    assert values == [small, id_, float(exact), ratio, ok, midnight, moment, zoneless, clock, name, nothing, empty]


def test_calamine(shared: Shared) -> None:
    """By fastexcel, as polars reads workbooks; it takes the standard's escapes off."""
    dsn, conn = shared
    sheet = fastexcel.read_excel(exported(dsn, "sample", format="xlsx")).load_sheet("sample", dtypes="string")
    found = sheet.to_polars()
    columns = ["small", "id", "big", "name", "nothing", "empty", "span", "list", "document", "raw"]
    expected = texts(conn, f"SELECT {', '.join(columns)} FROM sample")
    assert [list(row) for row in found.select(columns).rows()] == expected
    typed = fastexcel.read_excel(exported(dsn, "sample", format="xlsx")).load_sheet(0, n_rows=1).to_polars()
    row = conn.execute("SELECT day, at FROM sample").fetchone()
    assert row is not None
    assert (typed["day"][0].date(), typed["at"][0]) == row


def test_libreoffice(shared: Shared, tmp_path: Path) -> None:
    dsn, conn = shared
    query = r"""SELECT g AS id, (ARRAY['plain', '=1+1', 'a,b', E'line\nfeed', ' x ', '<&>', 'ünï 😀', '_x0041_', '007', NULL])[1 + g % 10] AS name,
      g * 1.25 AS price, 9007199254740993 + g AS big, date '1999-12-25' + g AS day, timestamp '2026-01-31 23:59:50' + g * interval '1 s' AS at
      FROM generate_series(1, 50) AS g"""
    export_to_file(dsn, None, tmp_path / "t.xlsx", query=query, format="xlsx")
    # Comma, quote, UTF-8, from the first line on, cells as they are shown.
    options = "44,34,76,1,,0,false,true,false"
    command = [
        "soffice",
        f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}",
        "--headless",
        "--convert-to",
        f"csv:Text - txt - csv (StarCalc):{options}",
        "--outdir",
        str(tmp_path),
        str(tmp_path / "t.xlsx"),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    found = list(csv.reader(io.StringIO((tmp_path / "t.csv").read_text(encoding="utf-8"), newline="")))
    expected = list(csv.reader(io.StringIO(copied(conn, query).decode(), newline="")))
    for row in expected[1:]:
        row[2] = str(Decimal(row[2]).normalize())
    for row in found[1:]:
        row[2] = str(Decimal(row[2]).normalize())
    assert found == expected


# --- sheets ------------------------------------------------------------------------------------------------------


def test_each_sheet_has_its_header_which_stays_in_view(shared: Shared) -> None:
    dsn, _ = shared
    query = """SELECT 1 AS "a", 2 AS "a", 3 AS " <&> ""quoted"" ", 4 AS "_x0041_" """
    file = exported(dsn, query=query, format="xlsx")
    (sheet,) = sheets(file)
    assert sheet.header == ["a", "a", ' <&> "quoted" ', "_x0041_"]
    page = openpyxl.load_workbook(io.BytesIO(file)).worksheets[0]
    assert (page.freeze_panes, page.auto_filter.ref) == ("A2", "A1:D2")
    assert page["A1"].font.b
    assert page.column_dimensions["C"].width > page.column_dimensions["A"].width


def test_no_rows_are_a_sheet_with_a_header(shared: Shared) -> None:
    dsn, _ = shared
    (sheet,) = sheets(exported(dsn, query="SELECT 1 AS a WHERE false", format="xlsx"))
    assert (sheet.header, sheet.rows) == (["a"], [])


def test_rows_that_do_not_fit_are_in_further_sheets(shared: Shared) -> None:
    """Read in parallel and, in order, by one connection: no sheet has more rows than Excel takes."""
    dsn, _ = shared
    for what in ({}, {"order_by": ["n"]}):
        file = exported(dsn, "many", format="xlsx", workers=2, **what)
        counts = []
        with zipfile.ZipFile(io.BytesIO(file)) as archive:
            assert archive.testzip() is None
            for number in (1, 2):
                xml = archive.read(f"xl/worksheets/sheet{number}.xml")
                counts.append(xml.count(b"<row>"))
                first = sum(counts[:-1]) - (number - 1) + 1
                assert xml.index(f"</c></row><row><c><v>{first}</v></c></row>".encode()) < 1000
            workbook = archive.read("xl/workbook.xml").decode()
        assert re.findall('<sheet name="([^"]*)"', workbook) == ["many", "many (2)"]
        assert sum(counts) == MANY + 2
        assert MANY - 16_384 < counts[0] <= MANY


def test_the_number_of_workers_changes_no_byte(shared: Shared) -> None:
    dsn, _ = shared
    one, two, seven = (exported(dsn, "many", format="xlsx", workers=workers) for workers in (1, 2, 7))
    assert one == two == seven


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("orders", "orders"),
        ("History", "History_"),
        ("a:b\\c/d?e*f[g]", "a_b_c_d_e_f_g_"),
        ("'quoted'", "quoted"),
        ("x" * 40, "x" * 31),
        ("😀" * 15 + "xyz", "😀" * 15 + "x"),
        ("R&D", "R&D"),
        ("''", "Sheet1"),
    ],
)
def test_a_sheet_has_the_name_of_the_table(table: str, name: str, dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(sql.SQL("CREATE TABLE {} AS SELECT 1 AS a").format(sql.Identifier(table)))
    file = exported(dsn, sql.Identifier("public", table).as_string(), format="xlsx")
    assert openpyxl.load_workbook(io.BytesIO(file)).sheetnames == [name]


def test_a_sheet_has_the_name_that_was_given(shared: Shared) -> None:
    dsn, _ = shared
    file = exported(dsn, "sample", format="xlsx", options={"sheet": "Q1 & Q2's"})
    assert openpyxl.load_workbook(io.BytesIO(file)).sheetnames == ["Q1 & Q2's"]


@pytest.mark.parametrize("name", ["", " ", "a/b", "'a", "history", "x" * 32, "a\nb"])
def test_a_name_that_excel_does_not_take_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match="Excel takes") as raised:
        exported(None, "t", format="xlsx", options={"sheet": name})
    assert raised.value.field == "options.sheet"


def test_rows_are_laid_into_folders(shared: Shared, tmp_path: Path) -> None:
    dsn, conn = shared
    conn.execute("CREATE TABLE laid AS SELECT g AS id, 'k' || g % 3 AS kind FROM generate_series(1, 3000) AS g")
    dump(dsn, tmp_path, tables="laid", format="xlsx", partition_by={"laid": "kind"})
    for kind in ("k0", "k1", "k2"):
        (file,) = (tmp_path / "public.laid" / f"kind={kind}").iterdir()
        (sheet,) = sheets(file.read_bytes())
        expected = texts(conn, f"SELECT id FROM laid WHERE kind = '{kind}' ORDER BY id")
        assert (sheet.name, sheet.header) == ("laid", ["id"])
        assert [[cell and cell.text for cell in row] for row in sheet.rows] == expected
    assert verify(tmp_path, dsn).ok


def test_no_columns_are_refused(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE nothing ()")
    with pytest.raises(SpecError, match="xlsx needs 1 to 16,384 columns, not 0"):
        exported(dsn, "nothing", format="xlsx")
