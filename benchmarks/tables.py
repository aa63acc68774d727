"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["markdown"]


def markdown(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table.

    Args:
        heads: Of the columns.
        lines: The cells as text, as many a line as there are heads.
    """
    rule = "|" + " --- |" * len(heads)
    return "\n".join([_line(heads), rule, *(_line(line) for line in lines)])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
