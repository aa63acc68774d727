"""The first rows as a table of a terminal's width: names, types, values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from polyglot_export.cli.sample.reading import Cell
from polyglot_export.text.cells import cell_width, cut_to, padded, visible
from polyglot_export.text.tables import GAP

__all__ = ["Heading", "Look", "Sheet", "sheet"]

NARROW = 8
"""A column that has to give way keeps so many cells; where that is not enough, columns at the right are left out."""
NULL = "NULL"

_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


class Heading(NamedTuple):
    """What stands above a column."""

    name: str
    type: str
    is_number: bool


class Look(NamedTuple):
    """What the table is written to."""

    width: int | None
    """Cells in a line; ``None`` for as many as it takes."""
    styled: bool
    """Whether names are bold, and types and NULLs dim."""


class Sheet(NamedTuple):
    """A table that is set."""

    lines: list[str]
    left_out: list[str]
    """The names of columns that had no room."""


def sheet(headings: Sequence[Heading], rows: Sequence[Sequence[Cell]], look: Look) -> Sheet:
    """Set a table.

    Args:
        headings: Of the columns.
        rows: The values, as many in each row as there are columns.
        look: What it is written to.
    """
    columns = [
        [visible(heading.name), visible(heading.type), *(_shown(row[at]) for row in rows)]
        for at, heading in enumerate(headings)
    ]
    widths = _fitted([max(map(cell_width, column)) for column in columns], look.width)
    nulls = [[False, False, *(row[at] is None for row in rows)] for at in range(len(widths))]
    lines = [
        GAP.join(
            _cell(columns[at][line], width, line, right=headings[at].is_number, null=nulls[at][line], look=look)
            for at, width in enumerate(widths)
        ).rstrip()
        for line in range(len(rows) + 2)
    ]
    return Sheet(lines, [visible(heading.name) for heading in headings[len(widths) :]])


def _shown(cell: Cell) -> str:
    """A value that nobody takes for another one: text that reads NULL, or stands in quotes, is put in quotes."""
    if cell is None:
        return NULL
    text = visible(cell)
    return f"'{text}'" if text == NULL or (len(text) > 1 and text[0] == text[-1] == "'") else text


def _cell(text: str, width: int, line: int, *, right: bool, null: bool, look: Look) -> str:
    cut = cut_to(text, width)
    filled = padded(cut, width, right=right)
    style = _BOLD if line == 0 else _DIM if line == 1 or null else ""
    return filled.replace(cut, f"{style}{cut}{_PLAIN}", 1) if look.styled and style and cut else filled


def _fitted(widths: list[int], room: int | None) -> list[int]:
    """The widths that fit: the widest columns give way first, then those at the right."""
    if room is None:
        return widths
    while len(widths) > 1 and _total([min(width, NARROW) for width in widths]) > room:
        widths = widths[:-1]
    most = max(widths, default=0)
    while most > 1 and _total([min(width, most) for width in widths]) > room:
        most -= 1
    return [min(width, most) for width in widths]


def _total(widths: list[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)
