"""The cells of a workbook as they are written, by zipfile and lxml: what readers make of them is another question."""

from __future__ import annotations

import io
import re
import zipfile
from fractions import Fraction
from typing import NamedTuple

from lxml import etree

__all__ = ["Cell", "Sheet", "sheets", "without_escapes"]

NAMESPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
GENERAL, HEADER, DATE, TIMESTAMP, TIMESTAMP_MS, TIME, TIME_MS, GUARDED = range(8)
"""The numbers of the styles."""
MICROS_PER_DAY = 86_400_000_000


class Cell(NamedTuple):
    """One cell."""

    kind: str
    """``inlineStr``, ``b``, or ``n`` for a number."""
    style: int
    text: str
    """As it is in the file, without escapes of the standard."""

    @property
    def micros(self) -> int:
        """The nearest microsecond to the exact value of the double, since 1899-12-30."""
        return round(Fraction(float(self.text)) * MICROS_PER_DAY)


class Sheet(NamedTuple):
    """A sheet: its name, the header, and the rows; ``None`` is an empty cell."""

    name: str
    header: list[str]
    rows: list[list[Cell | None]]


def sheets(file: bytes) -> list[Sheet]:
    """All sheets in their order. The sums of the zip are compared."""
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        assert archive.testzip() is None
        workbook = etree.fromstring(archive.read("xl/workbook.xml"))
        names = [str(each.get("name")) for each in workbook.iter(f"{NAMESPACE}sheet")]
        return [_sheet(name, archive.read(f"xl/worksheets/sheet{at}.xml")) for at, name in enumerate(names, start=1)]


def _sheet(name: str, xml: bytes) -> Sheet:
    rows = [[_cell(cell) for cell in row] for row in etree.fromstring(xml).iter(f"{NAMESPACE}row")]
    header = [cell.text for cell in rows[0] if cell is not None and cell.style == HEADER]
    assert len(header) == len(rows[0])
    return Sheet(name, header, rows[1:])


def _cell(element: etree._Element) -> Cell | None:
    if len(element) == 0:
        assert not element.attrib
        return None
    kind = str(element.get("t", "n"))
    leaf = element[0][0] if kind == "inlineStr" else element[0]
    text = leaf.text or ""
    return Cell(kind, int(element.get("s", "0")), without_escapes(text) if kind == "inlineStr" else text)


def without_escapes(text: str) -> str:
    """``ST_Xstring`` (ECMA-376 part 1, 22.9.2.19)."""
    return re.sub("_x([0-9A-Fa-f]{4})_", lambda match: chr(int(match[1], 16)), text)
