"""The budget of memory and connections: in turn, never more than there is, much for few and little for many, nothing
lost.
"""

from __future__ import annotations

import asyncio
import random
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from polyglot_export.admission.budget import MemoryBudget, Reservation, Share
from polyglot_export.admission.sizes import LEAST_ROW_LIMIT, Needs, Sized, planning_share
from polyglot_export.errors import Busy
from polyglot_export.execution.allocator import Trimmer
from polyglot_export.execution.run import RunSettings
from polyglot_export.limits import window_bytes
from polyglot_export.planning.reservation import Shape
from polyglot_export.service.admission import machine as module
from polyglot_export.service.admission.connections import Connections
from polyglot_export.service.admission.machine import available_memory, resident_bytes
from tests.service.client import PATIENCE

pytestmark = pytest.mark.anyio


async def settled() -> None:
    """Let every task go as far as it can without time passing."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_in_the_order_of_asking() -> None:
    budget = MemoryBudget(100)
    first = await budget.reserve(60, 1)
    order: list[str] = []

    async def take(name: str, size: int) -> None:
        with await budget.reserve(size, 5):
            order.append(name)
            assert budget.reserved <= 100

    large = asyncio.create_task(take("large", 90))
    await asyncio.sleep(0)
    small = asyncio.create_task(take("small", 10))
    await settled()
    assert order == [], "a small one passed the large one in front of it, which could starve"
    assert budget.waiting == 2
    first.release()
    await asyncio.gather(large, small)
    assert order == ["large", "small"]
    assert budget.reserved == 0


async def test_a_wait_ends_with_busy_and_leaves_nothing() -> None:
    budget = MemoryBudget(10)
    held = await budget.reserve(10, 1)
    with pytest.raises(Busy, match=r"0\.05 seconds"):
        await budget.reserve(5, 0.05)
    assert budget.waiting == 0
    held.release()
    held.release()
    assert budget.reserved == 0
    (await budget.reserve(10, 0.05)).release()


async def test_those_behind_one_that_gave_up_move_on() -> None:
    budget = MemoryBudget(10)
    held = await budget.reserve(5, 1)
    large = asyncio.create_task(budget.reserve(10, 5))
    await asyncio.sleep(0)
    small = asyncio.create_task(budget.reserve(5, 5))
    await settled()
    assert not small.done()
    large.cancel()
    (await asyncio.wait_for(small, PATIENCE)).release()
    held.release()
    assert budget.reserved == 0


async def test_a_cancel_in_the_moment_of_the_grant_gives_the_memory_back() -> None:
    budget = MemoryBudget(10)
    held = await budget.reserve(10, 1)
    waiting = asyncio.create_task(budget.reserve(10, 5))
    await asyncio.sleep(0)
    held.release()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert budget.reserved == 0


async def test_what_can_never_fit_is_refused_at_once() -> None:
    with pytest.raises(Busy, match="POLYGLOT_MEMORY_LIMIT"):
        await MemoryBudget(10).reserve(11, 60)


@dataclass
class Elastic:
    """A demand for any number of bytes from ``low`` to ``high``, and as many workers as there are up to four."""

    low: int
    high: int

    @property
    def least(self) -> Share:
        return Share(self.low, 1)

    def within(self, size: int, workers: int) -> Share | None:
        return Share(min(size, self.high), min(workers, 4)) if size >= self.low and workers >= 1 else None

    def granted(self, reservation: Reservation, seconds: float | None) -> None:
        assert reservation.held
        assert seconds is None or seconds > 0


async def test_few_get_much_and_many_get_little() -> None:
    budget = MemoryBudget(1_000, Connections(64))
    shares = [(await budget.reserve(Elastic(10, 300), 1)).share for _ in range(40)]
    assert shares[0] == Share(300, 4), "one that is alone gets all it wants"
    assert [share.bytes for share in shares] == sorted((share.bytes for share in shares), reverse=True)
    assert [share.workers for share in shares] == sorted((share.workers for share in shares), reverse=True)
    assert shares[-1] == Share(10, 1)
    assert budget.reserved == sum(share.bytes for share in shares) <= 1_000
    assert (budget.running, budget.waiting) == (40, 0)


async def test_those_who_wait_count_when_shares_are_made() -> None:
    budget = MemoryBudget(100, Connections(64))
    held = await budget.reserve(100, 1)
    waiting = [asyncio.create_task(budget.reserve(Elastic(1, 100), 5)) for _ in range(4)]
    await asyncio.sleep(0)
    held.release()
    assert [(await task).share.bytes for task in waiting] == [25, 25, 1, 1], "half is kept for those who come"


async def test_connections_are_waited_for_like_memory() -> None:
    budget = MemoryBudget(1_000, Connections(3))
    held = [await budget.reserve(Elastic(1, 1), 1) for _ in range(2)]
    assert [each.share.workers for each in held] == [2, 1], "the first leaves one to the second"
    with pytest.raises(Busy, match=r"no database connection .* 0\.05 seconds"):
        await budget.reserve(Elastic(1, 1), 0.05)
    with pytest.raises(Busy, match=r"no memory .* 0\.05 seconds"):
        await budget.reserve(1_000, 0.05)
    held.pop().release()
    assert (await budget.reserve(Elastic(1, 1), 0.05)).share.workers == 1
    assert budget.workers == 3


async def test_a_lower_limit_of_the_server_ends_nothing_and_lets_nobody_in() -> None:
    connections = Connections(8)
    budget = MemoryBudget(1_000, connections)
    held = [await budget.reserve(Elastic(1, 1), 1) for _ in range(4)]
    connections.learn(11)
    assert connections.limit == 2
    with pytest.raises(Busy):
        await budget.reserve(Elastic(1, 1), 0.05)
    for each in held:
        each.release()
    assert budget.workers == 0
    assert (await budget.reserve(Elastic(1, 1), 0.05)).share == Share(1, 1)
    connections.learn(1)
    assert connections.limit == 1, "one export at a time always runs"
    connections.learn(10_000)
    assert connections.limit == 8


async def test_a_plan_changes_the_share_without_waiting_or_not_at_all() -> None:
    budget = MemoryBudget(100)
    first, second = await budget.reserve(40, 1), await budget.reserve(30, 1)
    assert budget.resize(first, Elastic(20, 20)) == Share(20, 4)
    assert budget.reserved == 50
    assert budget.resize(second, Elastic(90, 90)) is None
    assert (second.share, budget.reserved) == (Share(30), 50), "a refusal changes nothing"
    assert budget.resize(second, Elastic(80, 80)) == Share(80, 1), "what it holds itself is free for it"
    for each in (first, second):
        each.release()
    assert (budget.reserved, budget.workers, budget.running) == (0, 0, 0)
    assert budget.resize(first, Elastic(1, 1)) is None, "what was given back cannot grow"


async def test_whoever_needs_more_waits_in_front_and_holds_nothing() -> None:
    """Two that wait for what the other one holds would wait for ever."""
    budget = MemoryBudget(100)
    first, second = await budget.reserve(50, 1), await budget.reserve(50, 1)
    behind = asyncio.create_task(budget.reserve(5, 5))
    await asyncio.sleep(0)
    exchanges = [asyncio.create_task(budget.exchange(each, Elastic(90, 90), 5)) for each in (first, second)]
    await settled()
    assert [each.done() for each in exchanges].count(True) == 1
    assert not behind.done(), "it was behind them"
    done, other = (first, second) if exchanges[0].done() else (second, first)
    done.release()
    await asyncio.wait_for(asyncio.gather(*exchanges), PATIENCE)
    assert (other.share.bytes, other.held) == (90, True)
    await behind
    other.release()


async def test_an_exchange_that_ends_early_holds_nothing() -> None:
    budget = MemoryBudget(100)
    held, changing = await budget.reserve(60, 1), await budget.reserve(40, 1)
    with pytest.raises(Busy, match=r"0\.05 seconds"):
        await budget.exchange(changing, Elastic(50, 50), 0.05)
    assert (budget.reserved, budget.waiting, changing.held) == (60, 0, False)
    changing.release()
    held.release()
    assert budget.reserved == 0


async def test_threads_and_the_loop_together_lose_nothing() -> None:
    """Plans are sized in the threads of their exports."""
    budget = MemoryBudget(1_000, Connections(16))
    reservations = [await budget.reserve(Elastic(10, 20), 1) for _ in range(8)]
    chance = random.Random(1)
    failed: list[BaseException] = []

    def resize(reservation: Reservation) -> None:
        try:
            for _ in range(300):
                budget.resize(reservation, Elastic(10, chance.randrange(10, 300)))
        except BaseException as error:  # noqa: BLE001 - seen by the test
            failed.append(error)

    threads = [threading.Thread(target=resize, args=(reservation,)) for reservation in reservations]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        (await budget.reserve(Elastic(1, 5), 5)).release()
        assert 0 <= budget.reserved <= 1_000
    assert not failed
    for reservation in reservations:
        reservation.release()
    assert (budget.reserved, budget.workers, budget.running, budget.waiting) == (0, 0, 0, 0)


MB = 1 << 20


def _needs(
    format_: str,
    *,
    segments: int = 100,
    workers: int = 4,
    capacity: int = 165 * MB,
    row_bytes: int = 16 * MB,
    **shape: object,
) -> Needs:
    planned = [(Shape(format_, **shape), segments)]  # type: ignore[arg-type]
    return Needs(planned, workers=workers, row_bytes=row_bytes, capacity=capacity)


def test_sixty_four_exports_fit_into_the_smallest_service() -> None:
    """256 MB without what the process has at rest and its headroom."""
    for format_, compression, exports in (
        ("csv", None, 64),
        ("json", None, 64),
        ("xml", None, 64),
        ("csv", "gzip", 50),
    ):
        least = _needs(format_, compression=compression, largest_row=1_000).least
        assert least.workers == 1
        assert exports * least.bytes <= 165 * MB, format_
    assert planning_share(0).bytes * 64 <= 165 * MB


def test_sizes_shrink_with_the_share() -> None:
    needs = _needs("csv", largest_row=1_000)
    shares = [needs.within(size * MB, 4) for size in (100, 16, 8, 5, 4, 3)]
    sizes = [share for share in shares if isinstance(share, Sized)]
    assert len(sizes) == len(shares)
    windows = [share.limits.window_bytes for share in sizes]
    assert windows == sorted(windows, reverse=True)
    assert [share.limits.workers for share in sizes] == sorted((share.limits.workers for share in sizes), reverse=True)
    assert (sizes[0].limits.workers, sizes[0].limits.window_bytes) == (4, 16 * MB)
    assert (sizes[-1].limits.workers, sizes[-1].limits.chunk_bytes) == (1, 64 << 10)
    assert needs.within(needs.least.bytes - 1, 4) is None
    assert needs.within(100 * MB, 0) is None


def test_many_workers_have_the_window_that_they_need_or_are_fewer() -> None:
    needs = _needs("csv", workers=16, largest_row=1_000)
    for size in (165, 100, 60, 40, 30, 16):
        sized = needs.within(size * MB, 16)
        assert sized is not None
        limits = sized.limits
        assert (
            limits.workers <= 4
            or limits.window_bytes
            == window_bytes(limits.workers)
            == RunSettings(workers=limits.workers).limits().window_bytes
        )
    most = needs.within(165 * MB, 16)
    assert most is not None
    assert (most.workers, most.limits.window_bytes) == (16, 112 * MB)
    less = needs.within(100 * MB, 16)
    assert less is not None
    assert 4 < less.workers < 16


def test_there_are_no_more_workers_than_segments() -> None:
    one = _needs("csv", segments=1, largest_row=1_000).within(100 * MB, 4)
    assert one is not None
    assert one.workers == 1
    assert one.bytes < 8 * MB, "and nothing waits behind the only segment"


def test_the_row_limit_of_parquet_gives_way_to_the_memory() -> None:
    parquet = _needs("parquet")
    assert parquet.least.bytes <= 165 * MB
    assert LEAST_ROW_LIMIT <= parquet.least.limits.row_bytes < 16 * MB
    assert _needs("csv").least.limits.row_bytes == 16 * MB
    assert _needs("parquet", largest_row=1_000).least.limits.row_bytes == 16 * MB, "no such row can come"
    tiny = _needs("parquet", capacity=30 * MB)
    assert tiny.least.bytes > 30 * MB, "which is refused with a sentence"
    assert tiny.least.limits.row_bytes == LEAST_ROW_LIMIT


async def test_freed_memory_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks are small, so the allocator keeps them in its heap; the last one of it keeps the heap from shrinking
    by itself.
    """
    monkeypatch.setattr("polyglot_export.execution.allocator.TRIM_SECONDS", 0.05)
    blocks = [bytes(60_000) + bytes([number % 256]) for number in range(2_000)]
    for block in blocks:
        assert block
    last = bytes(60_001)
    full = resident_bytes()
    blocks.clear()
    Trimmer().plan()
    for _ in range(1000):
        await asyncio.sleep(0.05)
        if full - resident_bytes() > 80 * MB:
            break
    assert full - resident_bytes() > 80 * MB
    assert len(last) == 60_001


def test_the_limit_of_the_cgroup_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "memory.max").write_text("1000\n")
    (tmp_path / "a" / "b" / "memory.max").write_text("max\n")
    monkeypatch.setattr(module, "_CGROUP_V2", tmp_path)
    read = module._lines
    monkeypatch.setattr(module, "_lines", lambda path: ["0::/a/b"] if path == Path("/proc/self/cgroup") else read(path))
    assert available_memory(None) == 1000
    assert available_memory(7) == 7
    (tmp_path / "memory.max").write_text("500\n")
    assert available_memory(None) == 500, "the root of a container is its own cgroup"
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "a" / "memory.max").write_text("max\n")
    assert available_memory(None) == 256 << 20


def test_cgroup_v1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    (tmp_path / "c" / "memory.limit_in_bytes").write_text("2000\n")
    monkeypatch.setattr(module, "_CGROUP_V1", tmp_path)
    read = module._lines
    monkeypatch.setattr(
        module, "_lines", lambda path: ["4:cpu:/x", "3:memory:/c"] if path == Path("/proc/self/cgroup") else read(path)
    )
    assert available_memory(None) == 2000


def test_resident_memory_grows_with_what_is_touched() -> None:
    before = resident_bytes()
    block = bytearray(64 << 20)
    for index in range(0, len(block), 4096):
        block[index] = 1
    assert resident_bytes() - before > 48 << 20
