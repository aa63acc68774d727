"""The measurement of latency takes the files of both servers, and calls a file wrong that is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks.latency import Cell, WrongDownload, downloads, measured, memory_server, table


def test_both_servers_are_asked() -> None:
    cells = measured((10,), (1, 2), rounds=2, least=4)
    assert [(cell.rows, cell.clients) for cell in cells] == [(10, 1), (10, 2)]
    for cell in cells:
        for seen in (cell.ours, cell.memory):
            assert seen.count() == max(4, 2 * cell.clients)
            for firsts, wholes in zip(seen.firsts, seen.wholes, strict=True):
                assert all(0 < first <= whole for first, whole in zip(firsts, wholes, strict=True))
        assert cell.ours.cpu > cell.memory.cpu, "who makes the file works more"


def test_a_wrong_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"one\n")
    with memory_server(tmp_path) as target:
        assert len(asyncio.run(downloads(target, "a.csv", b"one\n", 2, 1))) == 2
        for expected in (b"two\n", b"one\ntwo\n", b"on"):
            with pytest.raises(ExceptionGroup) as raised:
                asyncio.run(downloads(target, "a.csv", expected, 1, 1))
            assert raised.group_contains(WrongDownload, match="a.csv: complete 200")
        with pytest.raises(ExceptionGroup) as raised:
            asyncio.run(downloads(target, "b.csv", b"one\n", 1, 1))
        assert raised.group_contains(WrongDownload, match="b.csv: refused 404")


def test_the_table_has_shares_and_ratios() -> None:
    cell = Cell(10_000, 8)
    cell.ours.firsts, cell.ours.wholes, cell.ours.cpu = [[0.01] * 99, [0.5]], [[0.02] * 99, [0.6]], 2.0
    cell.memory.firsts, cell.memory.wholes, cell.memory.cpu = [[0.001] * 99, [0.05]], [[0.002] * 99, [0.1]], 0.2
    assert table([cell]).splitlines()[2] == (
        "| 10,000 | 8 | 100 | 10.0, 10.0, 10.0 | 1.0, 1.0, 1.0 | 20.0, 20.0, 20.0 | 2.0, 2.0, 2.0 | 8.0 | 20.0 | 2.0 |"
    )
