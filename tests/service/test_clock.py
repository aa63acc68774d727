"""A clock that is wrong for a moment costs no export and no file."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from polyglot_export.jobs.clock import GRACE_SECONDS, JUMP_SECONDS, SteadyClock
from tests.fixtures.process import Service
from tests.fixtures.redis import RedisServer
from tests.service.client import call, job
from tests.service.spooled import get, prepare, serving, spooled


class Clocks:
    """The two clocks of a machine."""

    def __init__(self) -> None:
        self.wall = 1_000_000.0
        self.steady = 50.0

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.mark.parametrize("jump", [25 * 3600.0, -25 * 3600.0])
def test_a_jump_is_believed_only_when_it_lasts(jump: float) -> None:
    clocks = Clocks()
    clock = SteadyClock(lambda: clocks.wall, lambda: clocks.steady)
    began = clock.now()
    clocks.wall += jump
    clocks.passes(10)
    assert clock.now() - began == timedelta(seconds=10)
    clocks.wall -= jump
    clocks.passes(10)
    assert clock.now() - began == timedelta(seconds=20)
    clocks.wall += jump
    clock.now()
    clocks.passes(GRACE_SECONDS)
    assert clock.now() - began == timedelta(seconds=20 + GRACE_SECONDS + jump)


def test_small_steps_are_followed() -> None:
    clocks = Clocks()
    clock = SteadyClock(lambda: clocks.wall, lambda: clocks.steady)
    began = clock.now()
    for _ in range(10):
        clocks.wall += JUMP_SECONDS / 2
        assert clock.now() > began
    assert clock.now() - began == timedelta(seconds=5 * JUMP_SECONDS)


def faked(folder: Path) -> tuple[dict[str, str], Callable[[str], None]]:
    """The environment of a process whose clock can be set, and what sets it."""
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    told = folder / "faketime"

    def set_clock(offset: str) -> None:
        new = told.with_suffix(".new")
        new.write_text(f"{offset}\n")
        new.replace(told)

    set_clock("+0")
    variables = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(told),
        "FAKETIME_NO_CACHE": "1",
        # As on a real machine: setting the clock does not touch the monotonic one.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    return variables, set_clock


def looked(service: Service) -> None:
    """Let the service forget what it takes for expired, and tidy its spool up."""
    assert call(service, "/exports").status == 200
    time.sleep(2)


@pytest.mark.parametrize("shared", [False, True])
def test_a_clock_25_hours_ahead_for_a_moment_loses_nothing(
    records: str, redis_server: RedisServer, tmp_path: Path, shared: bool
) -> None:
    variables, set_clock = faked(tmp_path)
    settings: dict[str, object] = {"redis_url": redis_server.url} if shared else {}
    with serving(records, tmp_path, env=variables, **settings) as service:
        export_id = prepare(service, dataset="small")
        set_clock("+25h")
        looked(service)
        assert get(service, export_id).status == 200
        assert job(service, export_id)["status"] == "completed"
        set_clock("+0")
        looked(service)
        assert get(service, export_id).status == 200
    if not shared:
        return
    # One that starts with the wrong clock believes it, and still removes nothing at once.
    set_clock("+25h")
    with serving(records, tmp_path, env=variables, **settings) as service:
        looked(service)
        assert spooled(tmp_path) == [f"{export_id}.1"]
    set_clock("+0")
    with serving(records, tmp_path, env=variables, **settings) as service:
        assert get(service, export_id).status == 200
