"""The nightly script: complete files, a link to the newest one, and nothing changed when an export fails."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from tests.cli.helpers import copied, names
from tests.examples.helpers import FOLDER, ORDERS
from tests.fixtures.process import command, environment

SCRIPT = FOLDER / "nightly" / "export.sh"


@pytest.fixture
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for ``PATH`` with the program under its name."""
    folder = tmp_path_factory.mktemp("bin")
    script = folder / "polyglot"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(command())} "$@"\n')
    script.chmod(0o755)
    return folder


class Nightly:
    """The script, as cron would start it."""

    def __init__(self, program: Path, dsn: str, folder: Path) -> None:
        self.folder = folder
        self._environment = environment(dsn) | {"PATH": f"{program}:{os.environ['PATH']}", "KEEP_DAYS": "7"}

    def run(self, table: str = "public.orders", format_: str = "csv.gz") -> subprocess.CompletedProcess[str]:
        """One night."""
        arguments = [str(SCRIPT), table, str(self.folder), format_]
        return subprocess.run(arguments, env=self._environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def nightly(program: Path, dsn: str, conn: psycopg.Connection, tmp_path: Path) -> Nightly:
    conn.execute(ORDERS)
    return Nightly(program, dsn, tmp_path)


def test_a_night(nightly: Nightly, conn: psycopg.Connection) -> None:
    days = {f"{datetime.now(UTC):%F}"}
    done = nightly.run()
    days.add(f"{datetime.now(UTC):%F}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    latest = nightly.folder / "public_orders-latest.csv.gz"
    file = latest.readlink()
    assert str(file) in {f"public_orders-{day}.csv.gz" for day in days}
    assert names(nightly.folder) == sorted([str(file), latest.name])
    assert gzip.decompress(latest.read_bytes()) == copied(conn, "SELECT * FROM orders")


def test_old_files_go_and_the_link_moves(nightly: Nightly) -> None:
    old, recent, other = (
        nightly.folder / name for name in ("public_orders-2020-01-01.csv.gz", "public_orders-x.csv.gz", "notes.txt")
    )
    for path, days in ((old, 9), (recent, 2), (other, 900)):
        path.write_bytes(b"x")
        then = (datetime.now(UTC) - timedelta(days=days)).timestamp()
        os.utime(path, (then, then))
    (nightly.folder / "public_orders-latest.csv.gz").symlink_to(old.name)
    assert nightly.run().returncode == 0
    assert not old.exists()
    assert recent.exists()
    assert other.exists()
    assert (nightly.folder / "public_orders-latest.csv.gz").readlink() != Path(old.name)


def test_a_failure_changes_nothing(nightly: Nightly, conn: psycopg.Connection) -> None:
    """In its last row, when most of the file has been written beside it."""
    assert nightly.run("public.orders").returncode == 0
    before = {name: (nightly.folder / name).read_bytes() for name in names(nightly.folder)}
    conn.execute("ALTER TABLE orders RENAME TO parts")
    conn.execute("CREATE VIEW orders AS SELECT id, repeat('x', 1000) AS filler, 1 / (2000 - id) AS rest FROM parts")
    done = nightly.run("public.orders")
    assert done.returncode == 1
    assert re.fullmatch(r"polyglot: .*division by zero.*\n", done.stderr)
    assert {name: (nightly.folder / name).read_bytes() for name in names(nightly.folder)} == before


def test_one_at_a_time(nightly: Nightly) -> None:
    (nightly.folder / ".public_orders.lock").mkdir()
    done = nightly.run()
    assert done.returncode == 75
    assert "another run is busy" in done.stderr
    assert names(nightly.folder) == [".public_orders.lock"]


def test_the_crontab_calls_it_rightly() -> None:
    lines = (FOLDER / "nightly" / "crontab").read_text().splitlines()
    (entry,) = [line for line in lines if line[:1].isdigit()]
    minute, hour, *_, script, table, _folder, format_ = entry.split()
    assert (minute.isdigit(), hour.isdigit(), Path(script).name) == (True, True, SCRIPT.name)
    assert (table, format_) == ("public.orders", "parquet")
