"""How lines are written: together, whole, within bounds, and without anybody waiting for ever."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyglot_export.service.audit import log as log_module
from polyglot_export.service.audit.events import (
    DatasetRead,
    ExportCreated,
    LogResumed,
    RequestRefused,
    RunEnded,
    Term,
)
from polyglot_export.service.audit.flood import REFUSALS, Flood
from polyglot_export.service.audit.lines import LINE_BYTES, line_of
from polyglot_export.service.audit.log import AuditLog
from polyglot_export.service.audit.target import AuditTarget, Written
from polyglot_export.service.errors import AuditAway
from tests.service.audited import VALIDATOR, lines

NAMES = st.text(st.characters(exclude_categories=()), max_size=300)
"""Any, with control characters and halves of surrogates."""
TERMS = st.builds(Term, column=NAMES, op=NAMES, value=NAMES | st.lists(NAMES, max_size=50))
READS = st.builds(
    DatasetRead,
    dataset=NAMES,
    columns=st.none() | st.lists(NAMES, max_size=60).map(tuple),
    filter=st.lists(TERMS, max_size=40).map(tuple),
    order_by=st.lists(NAMES, max_size=30).map(tuple),
    limit=st.none() | st.integers(0, 2**63 - 1),
)


@given(st.lists(READS, max_size=40), NAMES, NAMES)
def test_a_line_is_one_line_of_json_within_its_bound(reads: list[DatasetRead], caller: str, name: str) -> None:
    event = ExportCreated(
        caller=caller, datasets=tuple(reads), format="csv", delivery="store", destination=name, role=name
    )
    line = line_of(event, datetime.now(UTC), None)
    assert len(line) <= LINE_BYTES
    assert line.isascii()
    assert (line.count(b"\n"), line[-1:]) == (1, b"\n")
    told = json.loads(line)
    VALIDATOR.validate(told)
    if "cut" not in told:
        assert told["caller"] == caller
        assert [read["dataset"] for read in told["datasets"]] == [read.dataset for read in reads]


def test_the_largest_line_is_within_its_bound() -> None:
    name = "ä" * 500
    term = Term(column=name, op="in", value=[name] * 30)
    read = DatasetRead(dataset=name, columns=(name,) * 30, filter=(term,) * 20, order_by=(name,) * 20, limit=1)
    event = ExportCreated(caller=name, datasets=(read,) * 20, format="csv", delivery="store", destination=name)
    line = line_of(event, datetime.now(UTC), "replica")
    assert len(line) <= LINE_BYTES
    VALIDATOR.validate(json.loads(line))
    ended = RunEnded(run=1, outcome="completed", losses={f"{name}{number}": number for number in range(1600)})
    assert len(line_of(ended, datetime.now(UTC), None)) <= LINE_BYTES


class Slow(AuditTarget):
    """A disk that takes its time for each write."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__(str(path))
        self.seconds = seconds
        self.asked = 0

    def write_all(self, lines: Sequence[bytes]) -> Written:
        self.asked += 1
        time.sleep(self.seconds)
        return super().write_all(lines)


def event(number: int) -> RunEnded:
    return RunEnded(export_id=str(number), run=number, outcome="completed")


def refusal(number: int) -> RequestRefused:
    return RequestRefused(status=401, reason="the key is not known", method="GET", path=f"/{number}")


async def written_again(log: AuditLog) -> None:
    """Wait for it."""
    for _ in range(6000):
        with suppress(AuditAway):
            log.check()
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it is still away")


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(main())


def test_a_slow_disk_is_asked_once_for_many_lines(tmp_path: Path) -> None:
    target = Slow(tmp_path / "log", 0.05)

    async def main() -> None:
        log = AuditLog(target)
        await asyncio.gather(*(log.must(event(number)) for number in range(500)))
        await log.close()

    run(main)
    assert [line["run"] for line in lines(tmp_path / "log")] == list(range(500))
    assert target.asked < 20


def test_a_caller_that_leaves_takes_nothing_from_the_others(tmp_path: Path) -> None:
    target = Slow(tmp_path / "log", 0.02)

    async def main() -> None:
        log = AuditLog(target)
        for number in range(0, 100, 2):
            leaving = asyncio.create_task(log.must(event(number)))
            await asyncio.sleep(0)
            leaving.cancel()
            await log.must(event(number + 1))
            log.check()
        await log.close()

    run(main)
    told = [line["run"] for line in lines(tmp_path / "log")]
    assert [number for number in told if number % 2] == list(range(1, 100, 2))
    assert len(set(told)) == len(told)


def test_what_hangs_ends_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line waits for its time, the others know; what has happened is written when the disk is back."""
    monkeypatch.setattr(log_module, "WRITE_SECONDS", 0.2)
    target = Slow(tmp_path / "log", 1.5)

    async def main() -> None:
        log = AuditLog(target)
        with pytest.raises(AuditAway):
            await log.must(event(1))
        for number in range(2, 50):
            with pytest.raises(AuditAway):
                await log.must(event(number))
            await log.tell(event(100 + number))
        target.seconds = 0
        await written_again(log)
        await log.must(event(200))
        await log.close()

    run(main)
    told = [line for line in lines(tmp_path / "log") if line["event"] == "run.ended" and line["run"] != 1]
    assert [line["run"] for line in told] == [*range(102, 150), 200]
    (resumed,) = [line for line in lines(tmp_path / "log") if line["event"] == LogResumed.name]
    assert resumed["reason"] == "it was not written within 0.2 seconds"


def test_what_is_kept_has_a_bound_and_what_is_lost_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "KEPT_BYTES", 50_000)
    folder = tmp_path / "gone"
    size = len(line_of(event(10_000), datetime.now(UTC), None))
    most = 50_000 // size + 200

    async def main() -> None:
        log = AuditLog(AuditTarget(str(folder / "log")))
        for number in range(10_000, 10_000 + most):
            await log.tell(event(number))
        folder.mkdir()
        await log.close()

    run(main)
    (resumed, *told) = lines(folder / "log")
    assert resumed["event"] == LogResumed.name
    assert resumed["lost"] > 0
    assert [line["run"] for line in told] == list(range(10_000, 10_000 + len(told)))
    assert len(told) + resumed["lost"] == most
    assert sum(map(len, (folder / "log").read_bytes().splitlines())) < 50_000 + LINE_BYTES


def test_refusals_push_nothing_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "REFUSED_BYTES", 5000)
    folder = tmp_path / "gone"

    async def main() -> None:
        log = AuditLog(AuditTarget(str(folder / "log")))
        await log.tell(event(1))
        for number in range(90):
            await log.refused(refusal(number))
        await log.tell(event(2))
        folder.mkdir()
        await written_again(log)
        await log.refused(refusal(90))
        await log.close()

    run(main)
    told = lines(folder / "log")
    assert [line["run"] for line in told if line["event"] == "run.ended"] == [1, 2]
    refused = [line for line in told if line["event"] == "request.refused"]
    assert len(refused) < 90
    assert len(refused) + sum(line["omitted"] for line in refused) == 91


def test_a_flood_of_refusals_has_so_many_lines_a_second() -> None:
    flood = Flood()
    began = time.monotonic()
    let_in = sum(flood.lets_in(has_room=True) for _ in range(20_000))
    assert REFUSALS <= let_in <= REFUSALS * (2 + time.monotonic() - began)
    assert (flood.taken(), flood.taken()) == (20_000 - let_in, 0)


def test_a_disk_that_says_no_to_fsync_has_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fsync", broken)

    async def main() -> None:
        log = AuditLog(AuditTarget(str(tmp_path / "log"), fsync=True))
        with pytest.raises(AuditAway):
            await log.must(event(1))
        monkeypatch.undo()
        await log.close()

    run(main)
