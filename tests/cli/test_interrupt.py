"""Being stopped: Ctrl-C, SIGTERM and a closed pipe leave no file, no query and no connection."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.cli.helpers import (
    ENDLESS,
    GONE_SECONDS,
    ITEMS,
    SILENT,
    active,
    is_copying,
    names,
    wait_until,
    waits_for_a_lock,
)
from tests.fixtures.process import environment, start_cli
from tests.fixtures.server import Database

start = functools.partial(start_cli, fresh=True)
"""Signals come while a process starts, too, and what it ignores is what its parent ignored."""

END_SECONDS = 60.0
"""Limit of an end that says by its words that it was orderly: after five seconds of waiting for the server the program
gives up without a word."""
PROMPT_SECONDS = 4.0
"""Less than these five seconds, for an end without a word: it must not come to that."""


def end(process: subprocess.Popen[bytes], seconds: float = END_SECONDS) -> tuple[int, str]:
    """Wait for the end; gives the return code and standard error."""
    code = process.wait(seconds)
    assert process.stderr is not None
    with process.stderr as stream:
        text = stream.read().decode()
    if process.stdout is not None:
        process.stdout.close()
    return code, text


@pytest.mark.parametrize("query", [ENDLESS, SILENT], ids=["rows", "silence"])
@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (signal.SIGINT, "interrupted"),
        (signal.SIGTERM, "ended by SIGTERM"),
        (signal.SIGHUP, "ended by SIGHUP"),
    ],
    ids=["SIGINT", "SIGTERM", "SIGHUP"],
)
def test_a_signal_cancels_and_takes_back(
    dsn: str, conn: psycopg.Connection, tmp_path: Path, number: signal.Signals, sentence: str, query: str
) -> None:
    target = tmp_path / "x.csv"
    target.write_bytes(b"old")
    process = start("export", "--query", query, "-o", str(target), dsn=dsn)
    wait_until(lambda: is_copying(conn))
    # The partial file is beside the target.
    wait_until(lambda: len(names(tmp_path)) == 2)
    process.send_signal(number)
    assert end(process) == (-number, f"polyglot: {sentence}; {target} was not written\n")
    assert names(tmp_path) == ["x.csv"]
    assert target.read_bytes() == b"old"
    wait_until(lambda: active(conn) == [], GONE_SECONDS)


def test_a_shell_sees_130(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    """The process dies of the signal, as shells expect of a program that was interrupted."""
    process = start("export", "--query", SILENT, "-o", str(tmp_path / "x.csv"), dsn=dsn)
    wait_until(lambda: is_copying(conn))
    os.kill(process.pid, signal.SIGINT)
    code, text = end(process)
    assert text.startswith("polyglot: interrupted")
    assert code == -signal.SIGINT
    assert 128 - code == 130


def test_standard_output_is_said_to_be_incomplete(dsn: str) -> None:
    process = start("export", "--query", ENDLESS, dsn=dsn)
    assert process.stdout is not None
    process.stdout.read(1000)
    process.send_signal(signal.SIGINT)
    assert end(process) == (-signal.SIGINT, "polyglot: interrupted; the output is not complete\n")


def test_while_it_waits_for_a_lock(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    conn.execute(ITEMS)
    with psycopg.connect(dsn) as locker:
        locker.execute("LOCK TABLE items IN ACCESS EXCLUSIVE MODE")
        process = start("export", "items", "-o", str(tmp_path / "x.csv"), dsn=dsn)
        wait_until(lambda: waits_for_a_lock(conn))
        process.send_signal(signal.SIGINT)
        assert end(process) == (-signal.SIGINT, f"polyglot: interrupted; {tmp_path / 'x.csv'} was not written\n")
        wait_until(lambda: active(conn) == [], GONE_SECONDS)
    assert names(tmp_path) == []


def test_explain_while_it_waits_for_a_lock(dsn: str, conn: psycopg.Connection) -> None:
    """The commands without a loop of their own end in the same way."""
    conn.execute(ITEMS)
    with psycopg.connect(dsn) as locker:
        locker.execute("LOCK TABLE items IN ACCESS EXCLUSIVE MODE")
        process = start("explain", "items", dsn=dsn)
        wait_until(lambda: waits_for_a_lock(conn))
        process.send_signal(signal.SIGINT)
        assert end(process) == (-signal.SIGINT, "polyglot: interrupted\n")
        wait_until(lambda: active(conn) == [], GONE_SECONDS)


def test_while_it_connects(tmp_path: Path) -> None:
    """192.0.2.1 belongs to nobody (RFC 5737): the connection attempt gets no answer, or an error at once where there is
    no route.
    """
    process = start("export", "t", "-o", str(tmp_path / "x.csv"), "--dsn", "host=192.0.2.1 dbname=x user=x")
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    code, _ = end(process)
    assert code in {-signal.SIGINT, 1}
    assert names(tmp_path) == []


STUCK = """
import sys, time
from polyglot_export.cli.signals import Interrupted, die_by
from polyglot_export.cli.progress import NoBar
from polyglot_export.cli.transfer import transfer
from polyglot_export.destinations.file import FileDestination

def opener(token):
    print("opening", flush=True)
    time.sleep(3600)

try:
    transfer(opener, FileDestination(sys.argv[1]), NoBar())
except Interrupted as interrupted:
    die_by(interrupted.number)
"""
"""An export that does not react to a cancel. The real one gives up its connections at once, also when the server
hangs."""


def start_stuck(target: Path) -> subprocess.Popen[bytes]:
    """Start an export that hangs, and wait until it does."""
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK, str(target)], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"opening\n"
    # The partial file is made by another thread.
    wait_until(lambda: len(names(target.parent)) == 1)
    return process


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once(tmp_path: Path, second: signal.Signals) -> None:
    process = start_stuck(tmp_path / "x.csv")
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    assert len(names(tmp_path)) == 1
    started = time.monotonic()
    while process.poll() is None:
        assert time.monotonic() - started < PROMPT_SECONDS
        # Two signals of a kind are one for a process that has not come to look at the first.
        process.send_signal(second)
        time.sleep(0.2)
    assert end(process) == (-second, "")
    assert names(tmp_path) == []


def test_one_signal_is_enough_after_five_seconds(tmp_path: Path) -> None:
    process = start_stuck(tmp_path / "x.csv")
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert end(process) == (-signal.SIGTERM, "")
    assert time.monotonic() - started > 4.0
    assert names(tmp_path) == []


def test_a_server_that_hangs_does_not_hold_the_command(
    server: Database, dsn: str, conn: psycopg.Connection, tmp_path: Path
) -> None:
    """The server's processes are stopped, so that no cancel is obeyed."""
    if server.process is None:
        pytest.skip("the processes of a given server cannot be stopped from here")
    process = start("export", "--query", SILENT, "-o", str(tmp_path / "x.csv"), dsn=dsn)
    wait_until(lambda: is_copying(conn))
    backends = [
        row[0]
        for row in conn.execute("SELECT pid FROM pg_stat_activity WHERE application_name ~ '^polyglot '").fetchall()
    ]
    assert backends
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    try:
        process.send_signal(signal.SIGINT)
        assert end(process) == (-signal.SIGINT, f"polyglot: interrupted; {tmp_path / 'x.csv'} was not written\n")
        assert names(tmp_path) == []
    finally:
        for pid in backends:
            os.kill(pid, signal.SIGCONT)


def test_an_ignored_signal_stays_ignored(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    """``nohup`` and background jobs of a script rely on it."""
    target = tmp_path / "x.csv"
    conn.execute("SELECT pg_advisory_lock(1)")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = start(
            "export", "--query", "SELECT pg_advisory_xact_lock_shared(1)::text AS pause", "-o", str(target), dsn=dsn
        )
    finally:
        signal.signal(signal.SIGHUP, before)
    wait_until(lambda: is_copying(conn))
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    conn.execute("SELECT pg_advisory_unlock(1)")
    code, text = end(process)
    assert code == 0, text
    assert target.read_bytes() == b'pause\n""\n'


@pytest.mark.parametrize("taken", [0, 10, 200_000], ids=["nothing", "a little", "some"])
def test_a_closed_pipe_ends_quietly(dsn: str, conn: psycopg.Connection, taken: int) -> None:
    """``| head``: exit code 0, not a word, and the query is cancelled."""
    process = start("export", "--query", ENDLESS, dsn=dsn)
    assert process.stdout is not None
    wait_until(lambda: is_copying(conn))
    assert len(process.stdout.read(taken)) == taken
    process.stdout.close()
    assert end(process, PROMPT_SECONDS) == (0, "")
    wait_until(lambda: active(conn) == [], GONE_SECONDS)


def test_a_closed_pipe_is_noticed_while_the_database_is_silent(dsn: str, conn: psycopg.Connection) -> None:
    """No row comes, so no write fails: the pipe itself is watched."""
    process = start("export", "--query", SILENT, dsn=dsn)
    assert process.stdout is not None
    wait_until(lambda: is_copying(conn))
    process.stdout.close()
    assert end(process, PROMPT_SECONDS) == (0, "")
    wait_until(lambda: active(conn) == [], GONE_SECONDS)


LATE = """
import sys, time
from polyglot_export.cli.progress import NoBar
from polyglot_export.cli.transfer import transfer
from polyglot_export.destinations.stdout import StdoutDestination

class Late(StdoutDestination):
    def __enter__(self):
        time.sleep(0.5)
        return super().__enter__()

def opener(token):
    print("opening", file=sys.stderr, flush=True)
    time.sleep(3600)

transfer(opener, Late(), NoBar())
"""
"""The pipe is known only after the main thread has begun to wait."""


def test_a_closed_pipe_is_noticed_however_late_it_was_opened() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LATE], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    assert process.stderr.readline() == b"opening\n"
    assert process.stdout is not None
    process.stdout.close()
    assert end(process, PROMPT_SECONDS) == (0, "")


def test_a_failure_is_told_although_the_pipe_is_closed(dsn: str) -> None:
    """Only what follows from the closed pipe is kept quiet."""
    process = start("export", "no_such_table", dsn=dsn)
    assert process.stdout is not None
    process.stdout.close()
    code, text = end(process)
    assert code in {0, 2}, "the closed pipe may be seen first"
    assert (code == 0) == (text == "")


def test_every_command_ends_quietly_at_a_closed_pipe(dsn: str) -> None:
    for arguments in (("datasets",), ("explain", "--query", "SELECT 1 AS one"), ("--help",), ("export", "--help")):
        reading, writing = os.pipe()
        os.close(reading)
        process = start(*arguments, dsn=dsn, stdout=writing)
        os.close(writing)
        assert end(process) == (0, ""), arguments
