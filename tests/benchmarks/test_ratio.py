"""``make bench`` measures, checks what it measured, and refuses numbers that mean nothing."""

from __future__ import annotations

import re

import pytest

from benchmarks import ratio
from polyglot_export import _core


def test_the_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["ratio", "--rows", "2000", "--pairs", "1", "csv", "parquet", "csv.zst"])
    assert ratio.main() == 0
    output = capsys.readouterr().out
    lines = [line.strip("| ").split(" | ") for line in output.splitlines() if line.startswith("| ")]
    assert lines[0] == list(ratio.HEADS)
    cases = lines[2:]
    assert [line[0] for line in cases] == ["csv", "parquet", "csv.zst"]
    for line in cases:
        assert line[-1] == "yes"
        assert all(re.fullmatch(r"[\d.,]+", cell) for cell in line[1:-1]), line


def test_a_debug_build_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(_core, "build_profile", "debug")
    monkeypatch.setattr("sys.argv", ["ratio"])
    assert ratio.main() == 2
    assert "debug build" in capsys.readouterr().err
