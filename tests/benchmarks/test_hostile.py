"""The proof that nobody breaks the promises, in a small size: what it must see, and that it is red when it sees it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from benchmarks.hostile import __main__ as command
from benchmarks.hostile import run
from benchmarks.hostile.honest import SILENT_SECONDS, Seen, percentile
from benchmarks.hostile.registry import ATTACKS, NOBODY
from benchmarks.hostile.report import report
from benchmarks.hostile.run import LOG_LIMIT, Result, judge, prove
from benchmarks.hostile.stage import Stage, staged
from benchmarks.hostile.target import Attack, Facts
from benchmarks.oracle import Oracle
from benchmarks.pages import write_into
from polyglot_export.testing.postgres import EmbeddedServer
from tests.benchmarks.groups import no_group

PAGE = Path(__file__).parents[2] / "docs" / "proofs.md"
ROWS = 25_000
PACE = 0.2


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as running:
        yield running


def proved(server: EmbeddedServer, attack: Attack, name: str, pace: float = PACE) -> Result:
    """One attack on a database of its own."""
    with server_database(server, name) as dsn:
        (result,) = prove(dsn, [attack], lambda _: None, pace=pace, rows=ROWS)
    return result


@contextmanager
def server_database(server: EmbeddedServer, name: str) -> Iterator[str]:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield server.dsn(name)


def test_nobody_is_right(server: EmbeddedServer) -> None:
    reason = no_group()
    if reason is not None:
        assert command.main(["--only", "nobody"]) == command.EXIT_NOT_HERE
        return
    result = proved(server, NOBODY, "nobody")
    assert not result.problems
    assert result.seen.right > 4
    assert len(result.seen.probes) > 10
    assert "| – | – | nobody attacks |" in report([result])
    assert "All are right." in report([result])


def test_an_ended_process_is_red(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    if no_group() is not None:
        return
    stages: list[Stage] = []

    @contextmanager
    def remembered(dsn: str, attack: Attack) -> Iterator[Stage]:
        with staged(dsn, attack) as stage:
            stages.append(stage)
            yield stage

    async def killed(*_: object) -> Facts:
        os.kill(stages[-1].service.pid, signal.SIGKILL)
        stages[-1].service.process.wait()
        return {}

    monkeypatch.setattr(run, "staged", remembered)
    monkeypatch.setattr(run, "attacked", killed)
    result = proved(server, NOBODY, "ended")
    assert result.problems == ["1 process ended"]
    assert "**NO**: 1 process ended" in report([result])


def test_a_wrong_file_is_red(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    if no_group() is not None:
        return
    monkeypatch.setattr(Oracle, "digest", lambda _, spec: f"not the digest of {spec}")
    result = proved(server, NOBODY, "wrong", PACE / 2)
    assert "no honest export was right" in result.problems
    assert any("differs from the server" in problem for problem in result.problems)


def test_an_attack_is_run_and_counted(server: EmbeddedServer) -> None:
    """A process of its own with the attacker's key; the list is an export like any other where it is allowed."""
    if no_group() is not None:
        return
    (attack,) = (attack for attack in ATTACKS if attack.name == "many-jobs")
    result = proved(server, attack, "attacked", PACE / 4)
    assert result.facts["POST 201"] > 20


def test_what_is_wrong_is_told() -> None:
    good = Seen(right=3, probes=[0.01] * 99 + [5.0])
    limited = Attack(9, "x", "key", "x", NOBODY.run, limits=(("largest answer", 10),), logged=True)
    assert judge(Result(NOBODY, 1, seen=good)) == []
    assert judge(Result(NOBODY, 1, seen=Seen(right=3, probes=[0.01] * 98 + [5.0] * 2))) == [
        "/health/live took 5.0 s at the 99th percentile"
    ]
    assert judge(Result(NOBODY, 1, seen=Seen(probes=[SILENT_SECONDS]))) == [
        "/health/live took 10.0 s at the 99th percentile",
        "no honest export was right",
    ]
    assert judge(Result(limited, 1, {"largest answer": 11}, good, logged=LOG_LIMIT + 1)) == [
        "largest answer: 11, more than 10",
        "4,096 kB of log",
        "the log says nothing about connections",
    ]
    assert judge(Result(limited, 1, {"largest answer": 10}, good), written="connections are full") == []


def test_every_row_has_its_attacks_and_each_is_bounded() -> None:
    assert {attack.row for attack in ATTACKS} == set(range(13))
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
    assert all(0 < attack.seconds <= 90 for attack in ATTACKS)


def test_the_percentile_is_a_value_that_was_seen() -> None:
    values = [float(number) for number in range(1, 101)]
    assert percentile(values, 0.99) == 99.0
    assert percentile(values, 0.5) == 50.0
    assert percentile([3.0], 0.99) == 3.0
    assert percentile([], 0.5) == 0.0


def test_the_table_goes_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text())
    write_into(page, "hostile", "the table")
    write_into(page, "hostile", "another table")
    text = page.read_text()
    assert "the table" not in text
    assert text.count("another table") == 1
    assert text.endswith(PAGE.read_text().rpartition("<!-- hostile: end -->")[2])
    page.write_text("no marks")
    with pytest.raises(ValueError, match="marks"):
        write_into(page, "hostile", "x")


def test_wrong_use(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polyglot_export._core.build_profile", "release")
    assert command.main(["--only", "nobody,noboby"]) == 2
    assert "no attack has the name noboby" in capsys.readouterr().err
    assert command.main(["--only", "nobody", "--page", "x.md"]) == 2
    assert "cannot be combined" in capsys.readouterr().err
