"""The progress bar: on a terminal, never in a pipe, and never between the rows."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.cli.helpers import ENDLESS, is_copying, wait_until
from tests.cli.terminal import Terminal, plain
from tests.fixtures.process import Cli, start_cli

SLOW = "SELECT g, pg_sleep(0.001)::text AS pause, repeat('x', 1000) AS filler FROM generate_series(1, 1000) g"
SHOW_CURSOR = "\x1b[?25h"
HIDE_CURSOR = "\x1b[?25l"


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


def start(*arguments: str, dsn: str, stderr: int, stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    """Start a command with a terminal as standard error."""
    return start_cli(*arguments, dsn=dsn, stderr=stderr, stdout=stdout, env={"TERM": "xterm-256color"})


def test_a_bar_on_a_terminal(dsn: str, terminal: Terminal, tmp_path: Path) -> None:
    target = tmp_path / "x.csv"
    process = start("export", "--query", SLOW, "-o", str(target), dsn=dsn, stderr=terminal.descriptor)
    assert process.communicate(timeout=60)[0] == b""
    assert process.returncode == 0
    shown = terminal.close()
    assert "exporting" in shown
    assert re.search(r"[\d,]+ rows .*[\d.]+ [kM]B", plain(shown))
    last = plain(shown).replace("\r\n", "\n").rstrip("\n").rpartition("\r")[2].strip()
    assert last.startswith("polyglot: 1,000 rows, "), "the bar is gone and the summary stays"
    assert shown.count(HIDE_CURSOR) == shown.count(SHOW_CURSOR) == 1
    assert shown.rindex(SHOW_CURSOR) < shown.index("polyglot: 1,000")


def test_the_bar_shows_share_speed_and_time_left(
    dsn: str, conn: psycopg.Connection, terminal: Terminal, tmp_path: Path
) -> None:
    """Of a table it is known how much there is."""
    conn.execute(
        "CREATE TABLE wide AS SELECT g, repeat('x', 700) AS filler FROM generate_series(1, 60000) g; ANALYZE wide"
    )
    process = start(
        "export", "wide", "--workers", "1", "-o", str(tmp_path / "x.xml.gz"), dsn=dsn, stderr=terminal.descriptor
    )
    process.communicate(timeout=60)
    assert process.returncode == 0
    shown = plain(terminal.close())
    assert re.search(r"\d+% [\d,]+ rows [\d.]+ [kM]?B +([\d,]+ rows/s)? *[-\d]+:[-\d]+:[-\d]+", shown), shown


def test_no_bar_in_a_pipe(cli: Cli, dsn: str, tmp_path: Path) -> None:
    done = cli("export", "--query", SLOW, "-o", str(tmp_path / "x.csv"), dsn=dsn)
    text = done.stderr.decode()
    assert text.startswith("polyglot: 1,000 rows, ")
    assert text.count("\n") == 1
    assert "\x1b" not in text


def test_no_bar_when_quiet(dsn: str, terminal: Terminal, tmp_path: Path) -> None:
    process = start(
        "export", "--query", SLOW, "--quiet", "-o", str(tmp_path / "x.csv"), dsn=dsn, stderr=terminal.descriptor
    )
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert terminal.close() == ""


def test_no_bar_between_the_rows(dsn: str, terminal: Terminal) -> None:
    """The rows go to the same terminal: they and the summary are all that is seen."""
    process = start(
        *("export", "--query", "SELECT 1 AS one", "-o", "-"),
        dsn=dsn,
        stderr=terminal.descriptor,
        stdout=terminal.descriptor,
    )
    assert process.wait(60) == 0
    shown = terminal.close()
    assert "\x1b" not in shown
    assert re.fullmatch(r"one\r\n1\r\npolyglot: 1 row, 6 B in [\d.]+ s to standard output\r\n", shown)


def test_a_bar_while_the_rows_go_through_a_pipe(dsn: str, terminal: Terminal) -> None:
    process = start("export", "--query", SLOW, dsn=dsn, stderr=terminal.descriptor)
    rows = process.communicate(timeout=60)[0]
    assert process.returncode == 0
    assert rows.count(b"\n") == 1001
    assert b"\x1b" not in rows
    assert "exporting" in terminal.close()


def test_an_interrupt_gives_the_terminal_back(
    dsn: str, conn: psycopg.Connection, terminal: Terminal, tmp_path: Path
) -> None:
    target = tmp_path / "x.csv"
    process = start("export", "--query", ENDLESS, "-o", str(target), dsn=dsn, stderr=terminal.descriptor)
    wait_until(lambda: is_copying(conn) and "exporting" in terminal.shown())
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == -signal.SIGINT
    assert process.stdout is not None
    process.stdout.close()
    shown = terminal.close()
    assert shown.count(HIDE_CURSOR) == shown.count(SHOW_CURSOR) == 1
    assert plain(shown).rstrip().endswith(f"polyglot: interrupted; {target} was not written")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("arguments", "what"), [(("-f", "parquet"), "parquet"), (("--compression", "zstd"), "zstd")])
def test_binary_is_not_for_a_terminal(dsn: str, terminal: Terminal, arguments: tuple[str, ...], what: str) -> None:
    process = start(
        "export", "--query", "SELECT 1 AS one", *arguments, dsn=dsn, stderr=subprocess.PIPE, stdout=terminal.descriptor
    )
    assert (
        process.communicate(timeout=60)[1].decode()
        == f"polyglot: {what} is not for a terminal: give -o FILE, or -o - to insist\n"
    )
    assert process.returncode == 2
    assert terminal.close() == ""


def test_rows_go_to_a_terminal_only_when_told_to(dsn: str, terminal: Terminal) -> None:
    command = ("export", "--query", "SELECT 1 AS one")
    process = start(*command, dsn=dsn, stderr=subprocess.PIPE, stdout=terminal.descriptor)
    line = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 2
    assert line.startswith("polyglot: rows go to a terminal only when told to: give -o FILE, or -o - to insist; ")
    assert "polyglot show" in line
    assert terminal.close() == ""


def test_binary_goes_to_a_terminal_when_told_to(dsn: str, terminal: Terminal) -> None:
    process = start(
        "export",
        "--query",
        "SELECT 1 AS one",
        "-f",
        "parquet",
        "-o",
        "-",
        dsn=dsn,
        stderr=subprocess.PIPE,
        stdout=terminal.descriptor,
    )
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_rich_is_not_imported_in_a_pipe(dsn: str, tmp_path: Path) -> None:
    process = start_cli(
        "export", "--query", SLOW, "-o", str(tmp_path / "x.csv"), dsn=dsn, env={"PYTHONPROFILEIMPORTTIME": "1"}
    )
    text = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 0
    assert "psycopg" in text
    assert not re.search(r"\| +rich(\.|$)", text, re.MULTILINE)
