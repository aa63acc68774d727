"""Exports that the core writes: into pipes that take a little at a time, and until a signal comes."""

from __future__ import annotations

import array
import fcntl
import os
import resource
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from polyglot_export import export_to_file
from polyglot_export.errors import TargetFailed
from tests.cli.helpers import ENDLESS, GONE_SECONDS, active, copied, wait_until
from tests.fixtures.process import environment

ROWS = "SELECT g, repeat('x', 1000) AS filler FROM generate_series(1, 3000) g"
"""Rows of 3 MB, much more than a pipe holds."""


@contextmanager
def slow_pipe(read: bytearray) -> Iterator[int]:
    """The end of a pipe that does not block and is read in small pieces, with pauses; ``read`` gets all of it."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def drain() -> None:
        while piece := os.read(reading, 30_000):
            read.extend(piece)
            time.sleep(0.0005)

    reader = threading.Thread(target=drain)
    reader.start()
    try:
        yield writing
    finally:
        os.close(writing)
        reader.join(30)
        os.close(reading)


@pytest.mark.parametrize("descriptor", [None, 1100], ids=["low", "high"])
def test_a_pipe_that_does_not_block_gets_every_byte(dsn: str, conn: psycopg.Connection, descriptor: int | None) -> None:
    """Another program that has the same pipe may have made it so; select(2) would end at descriptor 1023."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if descriptor is not None else soft, hard))
    read = bytearray()
    try:
        with slow_pipe(read) as pipe:
            named = pipe if descriptor is None else os.dup2(pipe, descriptor)
            try:
                export_to_file(dsn, None, f"/dev/fd/{named}", query=ROWS)
            finally:
                if named != pipe:
                    os.close(named)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert bytes(read) == copied(conn, ROWS)


def test_a_reader_that_leaves_is_told_as_such(dsn: str, conn: psycopg.Connection) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        with pytest.raises(TargetFailed, match="Broken pipe") as raised:
            export_to_file(dsn, None, f"/dev/fd/{writing}", query=ENDLESS)
    finally:
        os.close(writing)
    assert isinstance(raised.value.__cause__, BrokenPipeError)
    wait_until(lambda: active(conn) == [], GONE_SECONDS)


FILLS_A_PIPE = """
import os, sys
from polyglot_export import export_to_file
try:
    export_to_file(sys.argv[1], None, "/dev/stdout", query=sys.argv[2])
except KeyboardInterrupt:
    os._exit(42)
"""


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "non-blocking"])
def test_a_signal_is_heard_while_a_pipe_is_full(
    dsn: str, conn: psycopg.Connection, tmp_path: Path, blocking: bool
) -> None:
    """In a program whose main thread exports: the handler of the signal runs, and what it raises comes out."""
    reading, writing = os.pipe()
    os.set_blocking(writing, blocking)
    program = [sys.executable, "-c", FILLS_A_PIPE, dsn, ROWS]
    with (tmp_path / "errors").open("wb") as errors:
        process = subprocess.Popen(program, stdout=writing, stderr=errors, env=environment())
    try:
        wait_until(lambda: is_full(reading))
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 42, (tmp_path / "errors").read_text()
    finally:
        process.kill()
        process.wait()
        os.close(reading)
        os.close(writing)
    wait_until(lambda: active(conn) == [], GONE_SECONDS)


def is_full(pipe: int) -> bool:
    """Whether a pipe has no room for a page, so that who writes to it waits (pipe(7))."""
    waiting = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, waiting)
    return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) - waiting[0] < resource.getpagesize()
