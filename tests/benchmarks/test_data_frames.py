"""The comparison of data frames runs, checks what it read, and names what it cannot run."""

from __future__ import annotations

import pytest

from benchmarks.data_frames import TOOLS, compared
from benchmarks.wide import WIDE
from polyglot_export.testing.records import fill_records

OURS = next(iter(TOOLS))


def test_our_frame_has_all_rows(module_dsn: str) -> None:
    fill_records(module_dsn, 1000, lambda _: None)
    WIDE.fill(module_dsn, 500, lambda _: None)
    for table in ("records", "wide"):
        runs = compared(module_dsn, table, [OURS], rounds=1)
        assert list(runs) == [OURS]
        assert [run.seconds > 0 and run.peak > 10_000_000 for run in runs[OURS]] == [True]


def test_a_tool_that_fails_ends_the_comparison(module_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TOOLS, "another", TOOLS[OURS])
    with pytest.raises(SystemExit, match="another failed"):
        compared(module_dsn, "records", ["another"], rounds=1)
