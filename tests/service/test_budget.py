"""The memory budget: in turn, never more than there is, nothing lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from polyglot_export.errors import Busy
from polyglot_export.service import budget as module
from polyglot_export.service.budget import MemoryBudget, available_memory, resident_bytes

pytestmark = pytest.mark.anyio


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
    await asyncio.sleep(0.01)
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
    await asyncio.sleep(0.01)
    assert not small.done()
    large.cancel()
    (await asyncio.wait_for(small, 1)).release()
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
    monkeypatch.setattr(module, "_lines", lambda path: ["4:cpu:/x", "3:memory:/c"] if path == Path("/proc/self/cgroup") else read(path))
    assert available_memory(None) == 2000


def test_resident_memory_grows_with_what_is_touched() -> None:
    before = resident_bytes()
    block = bytearray(64 << 20)
    for index in range(0, len(block), 4096):
        block[index] = 1
    assert resident_bytes() - before > 48 << 20
