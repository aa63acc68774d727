"""The measuring itself: a figure that is not the command's own would make every comparison worthless."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from polyglot_export.testing.usage import measure

MEGABYTE = 1_000_000


def _python(statement: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", statement]


def test_peak_is_that_of_the_command_and_not_of_the_caller() -> None:
    """Without the launcher a child is charged with what its parent held when it started it."""
    ballast = bytearray(300 * MEGABYTE)
    ballast[::4096] = b"x" * len(range(0, len(ballast), 4096))
    assert measure(["true"]).peak < 40 * MEGABYTE
    large = measure(_python("block = b'x' * 150_000_000"))
    assert 150 * MEGABYTE < large.peak < 190 * MEGABYTE
    assert len(ballast) == 300 * MEGABYTE


def test_cpu_and_time_are_told_apart() -> None:
    sleeping = measure(["sleep", "0.5"])
    assert sleeping.seconds >= 0.5
    assert sleeping.cpu < 0.3
    busy = measure(_python("import time\nwhile time.process_time() < 0.5: pass"))
    assert 0.4 < busy.cpu < 1


def test_exit_code_errors_and_output(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as sink:
        usage = measure(_python("import sys; print('out'); sys.stderr.write('complaint'); sys.exit(3)"), stdout=sink)
    assert (usage.exit_code, usage.errors) == (3, "complaint")
    assert (tmp_path / "out").read_bytes() == b"out\n"
    assert measure(["sh", "-c", "kill -TERM $$"]).exit_code == -signal.SIGTERM


def test_a_command_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with pytest.raises(TimeoutError):
        measure(["sh", "-c", f"sleep 60 & echo $! > {pid_file}; wait"], timeout=1)
    deadline = time.monotonic() + 10
    while _runs(int(pid_file.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_command_that_is_not_there() -> None:
    with pytest.raises(RuntimeError, match="no-such-program"):
        measure(["no-such-program"])


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
