"""Measures what a command costs: time, CPU and peak memory, as the kernel counts them for that process alone.

``ru_maxrss`` of a child is never below the size that its parent had when it started the child: the kernel keeps the
high-water mark over ``exec``. So the command is started by a launcher of a few megabytes, and the figure is its own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

__all__ = ["Usage", "measure"]

_LAUNCHER = """
import json, os, sys, time
report = int(sys.argv[1])
os.set_inheritable(report, False)
started = time.perf_counter()
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - started
# Kilobytes on Linux, bytes on macOS (getrusage(2)).
peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
cpu = usage.ru_utime + usage.ru_stime
os.write(report, json.dumps([os.waitstatus_to_exitcode(status), seconds, cpu, peak]).encode())
"""


@dataclass(frozen=True)
class Usage:
    """The cost of one run.

    Attributes:
        exit_code: The exit code; the negative number of the signal where one ended the command.
        seconds: The time from its start to its end.
        cpu: Its CPU seconds, user and system together.
        peak: Its largest resident set in bytes.
        errors: What it wrote to standard error.
    """

    exit_code: int
    seconds: float
    cpu: float
    peak: int
    errors: str


def measure(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdout: int | IO[Any] = subprocess.DEVNULL,
    timeout: float = 900,
) -> Usage:
    """Run a command to its end.

    Args:
        command: Program and arguments; it is found on PATH.
        env: Its environment; that of this process when not given.
        stdout: Where its output goes.
        timeout: Seconds after which it is killed, with everything it started.

    Raises:
        TimeoutError: The command took too long and was killed.
        RuntimeError: The command could not be started.
    """
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as report:
        try:
            launcher = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(writing), *command],
                env=None if env is None else dict(env),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.PIPE,
                pass_fds=(writing,),
                process_group=0,
            )
        finally:
            os.close(writing)
        try:
            errors = launcher.communicate(timeout=timeout)[1].decode(errors="replace")
        except BaseException as error:
            os.killpg(launcher.pid, signal.SIGKILL)
            launcher.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                raise TimeoutError(f"{command[0]} took more than {timeout:g} s") from None
            raise
        figures = report.read()
    if not figures:
        raise RuntimeError(f"{command[0]} could not be started: {errors}")
    code, seconds, cpu, peak = json.loads(figures)
    return Usage(code, seconds, cpu, peak, errors)
