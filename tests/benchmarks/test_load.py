"""The load in a small size: some seconds, some dozen clients; where no memory cgroup can be made, the sentence that
says so.
"""

from __future__ import annotations

import json
from collections import Counter

import pytest

from benchmarks import load as command
from benchmarks.clients import Ending
from benchmarks.load_figures import Figures, Load
from benchmarks.load_report import document, report
from tests.benchmarks.groups import no_group


def test_the_load(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # The kills of ten minutes come every two seconds; a run of seconds must see some, too.
    monkeypatch.setattr("benchmarks.load_run.KILL_SECONDS", 0.5)
    monkeypatch.setattr("benchmarks.load_run.LAST_SECONDS", 3.0)
    monkeypatch.setattr("benchmarks.load_run.SLOW_SHARES", ((1, 50), (1_000, 50)))
    load = Load(seconds=5, rows=3_000, clients=50, arrivals=12, seed=8)
    reason = no_group()
    if reason is not None:
        assert command.main(["--minutes", "0.05", "--rows", "1000"]) == command.EXIT_NO_GROUP
        assert capsys.readouterr().err.strip() == reason
        return
    figures = command.run(load)
    assert not figures.problems, figures.log
    assert figures.outcomes[Ending.COMPLETE.value] > 15
    assert figures.kills > 0
    assert figures.attacks.total() == 1, "one fits into the seconds"
    assert 0 < figures.live_seconds[0] <= figures.live_seconds[1]
    assert not any(figures.left.values())
    assert figures.group_peak < command.GROUP_BYTES
    shown = report(load, figures)
    assert f"| downloads: complete | {figures.outcomes['complete']} |" in shown
    assert "| wrong | nothing |" in shown
    assert json.loads(document(load, figures))["figures"]["outcomes"] == figures.outcomes


def test_what_is_wrong_is_told() -> None:
    figures = Figures(problems=Counter({"csv of records: a file that looked complete differs from the server": 2}))
    assert "| wrong | csv of records: a file that looked complete differs from the server (2) |" in report(
        Load(60, 10, 5, 1, 1), figures
    )
