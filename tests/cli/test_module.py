"""``python -m polyglot_export`` is the command ``polyglot``, and what it starts with loads on every system."""

from __future__ import annotations

import subprocess
import sys

import psycopg

from polyglot_export import __version__
from tests.cli.helpers import ITEMS, complaint, copied, succeeded
from tests.fixtures.process import environment


def run_module(*arguments: str, dsn: str | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run the package as a program."""
    command = [sys.executable, "-m", "polyglot_export", *arguments]
    return subprocess.run(command, env=environment(dsn), capture_output=True, timeout=60, check=False)


def test_it_exports(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(ITEMS)
    exported = succeeded(run_module("export", "items", "--order-by", "id", "--quiet", dsn=dsn))
    assert exported == copied(conn, "SELECT * FROM items ORDER BY id")


def test_it_has_the_name_of_the_command() -> None:
    assert b"Usage: polyglot " in succeeded(run_module("--help"))
    assert "commands are export," in complaint(run_module("import"), 2)


def test_it_starts_where_there_is_no_sighup() -> None:
    """As on Windows, where the wheels are started once (``.github/workflows/wheels.yml``)."""
    program = "import signal; del signal.SIGHUP; import runpy, sys; sys.argv[1:] = ['--version']"
    command = [sys.executable, "-c", f"{program}; runpy.run_module('polyglot_export', run_name='__main__')"]
    done = subprocess.run(command, env=environment(), capture_output=True, timeout=60, check=False)
    assert succeeded(done).decode() == f"polyglot {__version__}\n"
