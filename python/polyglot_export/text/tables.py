"""Tables as text: aligned columns for a terminal, and Markdown for a report."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["GAP", "aligned", "markdown"]

GAP = "  "
"""Between two columns; awk and people tell them apart by it."""


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A line for the header and one for each row, without blanks at the ends of lines.

    Args:
        header: Names of the columns.
        rows: The cells, as many in each row as there are columns.
        right: Positions of the columns that are set to the right, which are those of numbers.
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = (
        GAP.join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        for cells in (header, *rows)
    )
    return "\n".join(line.rstrip() for line in lines)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown. A bar inside a cell is escaped, and a line break in it becomes a blank.

    Args:
        header: Names of the columns.
        rows: The cells, as many in each row as there are columns.
    """
    rule = "|" + " --- |" * len(header)
    return "\n".join([_markdown_line(header), rule, *(_markdown_line(cells) for cells in rows)])


def _markdown_line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
