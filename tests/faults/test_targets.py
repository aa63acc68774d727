"""The target fails: a full disk, no rights, a reader that leaves. Nothing half-written remains, and the query is
cancelled.

The full disk is a real one: a file system of one megabyte where that can be mounted (as root), a limit on the size of
files for everybody else.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from polyglot_export import errors
from polyglot_export.library.sync import export_to_file
from tests.cli.helpers import ENDLESS, GONE_SECONDS, active, complaint, is_copying, names, wait_until
from tests.fixtures.disk import small_file_system
from tests.fixtures.process import Cli, command, environment, start_cli

TOO_MUCH = "SELECT g, repeat('x', 1000) AS filler FROM generate_series(1, 20000) g"
"""Rows of 20 MB."""

LIMIT_BYTES = 1 << 20
ROOT = os.geteuid() == 0
NOBODY = 65534


@pytest.fixture(autouse=True)
def _no_query_is_left(conn: psycopg.Connection) -> Iterator[None]:
    """The query of a failed export does not go on."""
    yield
    wait_until(lambda: active(conn) == [], GONE_SECONDS)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for one megabyte."""
    with small_file_system(tmp_path / "small", 1) as folder:
        yield folder


@pytest.mark.parametrize("format_name", ["csv", "json", "ndjson", "xml", "parquet"])
def test_a_full_disk(cli: Cli, dsn: str, small_disk: Path, format_name: str) -> None:
    target = small_disk / f"x.{format_name}"
    target.write_bytes(b"old")
    # Random text, since Parquet would keep repeated text in a few bytes.
    query = "SELECT g, md5(g::text) || md5((g + 1)::text) AS filler FROM generate_series(1, 100000) g"
    line = complaint(cli("export", "--query", query, "-o", str(target), dsn=dsn), 1)
    assert line == f"cannot write {target}: No space left on device"
    assert target.read_bytes() == b"old"
    assert names(small_disk) == [target.name]


def test_a_full_disk_in_the_library(dsn: str, small_disk: Path) -> None:
    with pytest.raises(errors.TargetFailed, match="No space left on device") as caught:
        export_to_file(dsn, None, small_disk / "x.csv", query=TOO_MUCH)
    assert isinstance(caught.value.__cause__, OSError)
    assert names(small_disk) == []


def test_a_limit_on_the_size_of_files(dsn: str, tmp_path: Path) -> None:
    """What ``ulimit -f`` sets; works without root."""
    target = tmp_path / "x.csv"
    done = subprocess.run(
        [*command(), "export", "--query", TOO_MUCH, "-o", str(target)],
        env=environment(dsn),
        capture_output=True,
        check=False,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, LIMIT_BYTES)),
    )
    assert complaint(done, 1) == f"cannot write {target}: File too large"
    assert names(tmp_path) == []


def test_a_full_device(cli: Cli, dsn: str) -> None:
    assert complaint(cli("export", "--query", TOO_MUCH, "-o", "/dev/full", dsn=dsn), 1) == (
        "cannot write /dev/full: No space left on device"
    )


def test_standard_output_on_a_full_device(dsn: str) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start_cli("export", "--query", TOO_MUCH, dsn=dsn, stdout=full)
    errors_seen = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert errors_seen == b"polyglot: cannot write standard output: No space left on device\n"


def test_standard_output_is_closed(dsn: str) -> None:
    """``>&-``: descriptor 1 is free, and nothing that is opened later may be taken for it."""
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *command(), "export", "--query", TOO_MUCH],
        env=environment(dsn),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr == b"polyglot: cannot write standard output: it is closed\n"


def test_standard_error_is_closed(dsn: str, tmp_path: Path) -> None:
    """Nobody can be told, and the export works all the same."""
    target = tmp_path / "x.csv"
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *command(), "export", "--query", "SELECT 1 AS one", "-o", str(target)],
        env=environment(dsn),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, b"")
    assert target.read_bytes() == b"one\n1\n"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing/x.csv", "No such file or directory (hint: --mkdir makes the folders of the file)"),
        ("file/x.csv", "Not a directory"),
        ("y" * 300 + ".csv", "File name too long"),
    ],
)
def test_a_target_that_cannot_be(cli: Cli, dsn: str, tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert complaint(cli("export", "--query", TOO_MUCH, "-o", str(tmp_path / name), dsn=dsn), 1) == (
        f"cannot write {tmp_path / name}: {reason}"
    )
    assert names(tmp_path) == ["file"]


@pytest.fixture
def unprivileged() -> Iterator[tuple[Path, list[str]]]:
    """A folder, and the words that run a command as somebody whom its rights stop (root is stopped by none)."""
    # Not tmp_path: pytest closes its parents to everybody else, and closes them again when another run starts.
    folder = Path(tempfile.mkdtemp(prefix="polyglot-theirs-"))
    try:
        if not ROOT:
            yield folder, []
            return
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root has no setpriv to become somebody else")
        os.chown(folder, NOBODY, NOBODY)
        yield folder, [setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    finally:
        folder.chmod(0o700)
        shutil.rmtree(folder)


def run_as(prefix: list[str], target: Path, dsn: str) -> subprocess.CompletedProcess[bytes]:
    """Export into the target as somebody else."""
    done = subprocess.run(
        [*prefix, *command(), "export", "--query", TOO_MUCH, "-o", str(target)],
        env={**environment(dsn), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    if prefix and b"polyglot: " not in done.stderr:
        pytest.skip(f"the program cannot be run as somebody else here: {done.stderr.decode().strip()[-200:]}")
    return done


def test_a_folder_without_the_right(dsn: str, unprivileged: tuple[Path, list[str]]) -> None:
    folder, prefix = unprivileged
    folder.chmod(0o555)
    target = folder / "x.csv"
    assert complaint(run_as(prefix, target, dsn), 1) == f"cannot write {target}: Permission denied"
    assert names(folder) == []


def test_a_file_that_may_not_be_written_is_not_replaced(dsn: str, unprivileged: tuple[Path, list[str]]) -> None:
    """A rename would get around the rights of the file."""
    folder, prefix = unprivileged
    target = folder / "x.csv"
    target.write_bytes(b"old")
    target.chmod(0o444)
    assert complaint(run_as(prefix, target, dsn), 1) == f"cannot write {target}: Permission denied"
    assert target.read_bytes() == b"old"
    assert names(folder) == ["x.csv"]


def test_a_file_by_somebody_else(dsn: str, unprivileged: tuple[Path, list[str]]) -> None:
    """The counterpart: with the right to write, the same call succeeds."""
    folder, prefix = unprivileged
    target = folder / "x.csv"
    done = run_as(prefix, target, dsn)
    assert done.returncode == 0, done.stderr.decode()
    assert target.read_bytes().count(b"\n") == 20001
    assert names(folder) == ["x.csv"]


def test_a_fifo_whose_reader_leaves(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    fifo = tmp_path / "x.csv"
    os.mkfifo(fifo)
    process = start_cli("export", "--query", ENDLESS, "-f", "csv", "-o", str(fifo), dsn=dsn)
    with fifo.open("rb", buffering=0) as reader:
        wait_until(lambda: is_copying(conn))
        assert reader.read(10)
    assert process.communicate(timeout=60) == (b"", b"")
    assert process.returncode == 0
    assert fifo.is_fifo()
    assert names(tmp_path) == ["x.csv"]
