"""The nightly dump: complete and verified, and nothing of it where it fails."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import psycopg
import pytest

from polyglot_export import verify
from tests.examples.helpers import FOLDER, ORDERS
from tests.fixtures.process import command, environment

SCRIPT = FOLDER / "nightly" / "dump.sh"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder for ``PATH`` with the program under its name."""
    script = tmp_path / "bin" / "polyglot"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {shlex.join(command())} "$@"\n')
    script.chmod(0o755)
    return script.parent


def night(program: Path, dsn: str, lake: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = environment(dsn) | {"PATH": f"{program}:{os.environ['PATH']}", "LAKE": f"{lake}/", "LOCK_TIMEOUT": "200ms"}
    return subprocess.run([str(SCRIPT), *arguments], env=env, capture_output=True, text=True, timeout=60, check=False)


def test_a_night_and_the_same_night_again(program: Path, dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    conn.execute(ORDERS)
    lake = tmp_path / "lake"
    for _ in range(2):
        done = night(program, dsn, lake, "--schema", "public")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (day,) = lake.iterdir()
    report = verify(day)
    assert report.ok
    assert report.rows == conn.execute("SELECT count(*) FROM orders").fetchone()[0]  # type: ignore[index]
    with conn.transaction():
        conn.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        done = night(program, dsn, lake, "--schema", "public")
    assert done.returncode == 1
    assert "is locked by another session" in done.stderr
    assert verify(day).ok, "the dump before is still there"


def test_it_must_know_where_to(program: Path, dsn: str) -> None:
    env = environment(dsn) | {"PATH": f"{program}:{os.environ['PATH']}"}
    done = subprocess.run([str(SCRIPT)], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "say where to" in done.stderr
