"""What people read: sizes, times and tables."""

from __future__ import annotations

import pytest

from polyglot_export.text.sizes import counted, size_text
from polyglot_export.text.tables import aligned, markdown
from polyglot_export.text.times import rows_per_second, seconds_text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (35_240_000, "35.2 MB"),
        (2_500_000_000, "2.5 GB"),
        (7e12, "7.0 TB"),
        (1.5e15, "1,500.0 TB"),
    ],
)
def test_sizes_are_decimal(size: float, text: str) -> None:
    assert size_text(size) == text


def test_one_and_many() -> None:
    assert [counted(number, "row") for number in (0, 1, 1000)] == ["0 rows", "1 row", "1,000 rows"]


def test_times_and_speeds() -> None:
    assert seconds_text(1.94) == "1.9 s"
    assert seconds_text(1.947, digits=2) == "1.95 s"
    assert rows_per_second(1_000_000, 1.9) == "526,316 rows/s"
    assert rows_per_second(0, 1.9) == rows_per_second(5, 0.0) == ""


def test_columns_are_aligned_and_no_line_ends_in_blanks() -> None:
    table = aligned(("NAME", "ROWS"), [("a", "12"), ("orders", "1,000")], right=(1,))
    assert table.splitlines() == ["NAME     ROWS", "a          12", "orders  1,000"]
    assert aligned(("A", "B"), [("x", "")]).splitlines() == ["A  B", "x"]
    assert aligned(("A", "B"), []) == "A  B"


def test_a_cell_cannot_break_a_markdown_table() -> None:
    table = markdown(("tool", "check"), [("psql | gzip", "WRONG:\n2 rows")])
    assert table.splitlines() == ["| tool | check |", "| --- | --- |", r"| psql \| gzip | WRONG: 2 rows |"]
