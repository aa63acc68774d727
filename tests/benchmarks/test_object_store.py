"""The comparison of files and objects runs, and its store takes whole uploads."""

from __future__ import annotations

from benchmarks.object_store import CASES, compared
from polyglot_export.testing.records import fill_records


def test_a_pair_of_each_format(dsn: str) -> None:
    """60,000 rows of csv are more than a part; the other formats are sent whole."""
    fill_records(dsn, 60_000, lambda _: None)
    rows = compared(dsn, pairs=1)
    assert [row[0] for row in rows] == list(CASES)
    assert all(float(figure) > 0 for row in rows for figure in row[1:])
