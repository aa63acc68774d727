"""The page of the types says what the core reads, and what the formats write."""

from __future__ import annotations

from tests.types.table import PAGE, page


def test_the_page_is_made_of_the_records(dsn: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(dsn, text), "python -m tests.types.table writes it anew"
