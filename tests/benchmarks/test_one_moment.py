"""The trial of one moment runs, and would see it if amounts were lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import one_moment
from benchmarks.one_moment import AMOUNT, Found, tried
from benchmarks.transfers import BOTH, ROWS, make_bank
from polyglot_export.testing.postgres import EmbeddedServer


def test_a_dump_is_of_one_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedServer() as server:
        make_bank(server.dsn())
        for tables in (BOTH[:1], BOTH):
            assert set(tried(server.dsn(), "polyglot dump", tables, 0, tmp_path)) == {
                Found(ROWS * len(tables), ROWS * len(tables) * AMOUNT)
            }
        monkeypatch.setitem(one_moment.TOOLS, "two moments", _two_moments)
        found = tried(server.dsn(), "two moments", BOTH, 3, tmp_path)
    assert any(each != Found(2 * ROWS, 2 * ROWS * AMOUNT) for each in found)


def _two_moments(dsn: str, tables: tuple[str, ...], folder: Path) -> list[str]:
    """An export a table, one after the other."""
    runs = (" ".join(one_moment.ours(dsn, (table,), folder / table)) for table in tables)
    return ["sh", "-c", " && sleep 0.3 && ".join(runs)]
