"""``polyglot demo`` as a newcomer runs it, and its checks on files that are wrong."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from polyglot_export.cli.demo.client import Client
from polyglot_export.cli.demo.reading import READERS
from polyglot_export.cli.demo.run import DOWNLOADS, run
from polyglot_export.testing.readers import check, read_sums
from polyglot_export.testing.records import Sums, fill_records, sums_of_server
from tests.fixtures.process import cli, start_cli
from tests.fixtures.server import Database

ROWS = 3_000
MOMENTS = {
    "filling": (("--rows", "2000000"), "filling"),
    "serving": (("--rows", str(ROWS), "--keep"), "serving"),
    "reading back": (("--rows", "100000"), "-------"),
}
"""When a signal comes: the arguments, and the line of the output after which it does."""


@pytest.fixture
def private_tmp(tmp_path: Path) -> Iterator[Path]:
    """A temporary folder of its own that the server's account can enter, to see what stays in it."""
    folder = Path("/tmp") / f"polyglot-test-{os.getpid()}-{tmp_path.name[-20:]}"
    folder.mkdir()
    folder.chmod(0o1777)
    yield folder
    assert list(folder.iterdir()) == []
    folder.rmdir()


def test_every_format_is_downloaded_checked_and_shown(private_tmp: Path) -> None:
    result = cli("demo", "--rows", str(ROWS), env={"TMPDIR": str(private_tmp)})
    output = result.stdout.decode()
    assert result.returncode == 0, output + result.stderr.decode()
    assert f"filling records: {ROWS:,} of {ROWS:,}" in output
    for name, _ in DOWNLOADS:
        line = re.search(
            rf"^{re.escape(name)} +{ROWS:,} +[\d.]+ +[\d,]+ +[\d.]+ +(\d+) +[\d.]+ +ok$", output, re.MULTILINE
        )
        assert line is not None, output
        assert int(line[1]) > 0
    assert "\x1b" not in output, "no escape sequences in a pipe"


def test_a_line_appears_before_the_last_export_has_begun(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], private_tmp: Path
) -> None:
    """Whoever looks on sees each format as it is done, and no file waits long to be read and removed."""
    monkeypatch.setattr(tempfile, "tempdir", str(private_tmp))
    shown: list[str] = []
    lines_before: list[int] = []

    def download(client: Client, export_id: str, target: Path) -> int:
        shown.append(capsys.readouterr().out)
        lines_before.append(len(re.findall(r" ok$", "".join(shown), re.MULTILINE)))
        assert len(list(target.parent.glob("records.*"))) < READERS
        return original(client, export_id, target)

    original = Client.download
    monkeypatch.setattr(Client, "download", download)
    assert run(ROWS) == 0
    # While a file is downloaded, all but those that the readers have in hand have been shown.
    assert len(lines_before) == len(DOWNLOADS)
    assert all(lines >= number - READERS + 1 for number, lines in enumerate(lines_before))


def test_wrong_files_are_noticed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], private_tmp: Path
) -> None:
    """Each file lacks a row here, but is well formed: every one is named, and the demo fails."""
    monkeypatch.setattr(tempfile, "tempdir", str(private_tmp))
    original = Client.create
    monkeypatch.setattr(Client, "create", lambda client, spec: original(client, spec | {"limit": ROWS - 1}))
    assert run(ROWS) == 1
    output = capsys.readouterr().out
    for name, _ in DOWNLOADS:
        assert re.search(rf"^{re.escape(name)} +{ROWS - 1:,} .* WRONG$", output, re.MULTILINE), output
        assert f"WRONG {name}: Sums(rows={ROWS - 1}, " in output


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("filling", signal.SIGINT),
        ("serving", signal.SIGTERM),
        ("reading back", signal.SIGINT),
        ("reading back", signal.SIGTERM),
        ("reading back", signal.SIGKILL),
    ],
)
def test_a_signal_stops_everything(private_tmp: Path, number: signal.Signals, moment: str) -> None:
    arguments, line = MOMENTS[moment]
    with start_cli("demo", *arguments, env={"TMPDIR": str(private_tmp), "PORT": "0"}) as process:
        assert process.stdout is not None
        lines = []
        for raw in process.stdout:
            lines.append(raw.decode())
            if lines[-1].startswith(line):
                break
        if moment == "reading back":
            _wait_for_reader(process.pid)
        started = _descendants(private_tmp)
        assert started, lines
        process.send_signal(number)
        assert process.wait(timeout=30) == -number
        if number != signal.SIGKILL:
            assert process.stderr is not None
            assert b"Traceback" not in process.stderr.read()
    _, alive = psutil.wait_procs(started, timeout=20)
    assert [line for line in map(_command_line, alive) if line] == []
    if number == signal.SIGKILL:
        # Nobody is left to remove the folder of the files, with a log and what was to be read; the database's is gone.
        for folder in private_tmp.glob("polyglot-demo-*"):
            names = {path.name for path in folder.iterdir()} - {"service.log"}
            assert names <= ({f"records.{name}" for name, _ in DOWNLOADS} if moment == "reading back" else set())
            subprocess.run(["rm", "-r", str(folder)], check=True)


def test_keep_serves_what_it_says(private_tmp: Path) -> None:
    with start_cli("demo", "--rows", str(ROWS), "--keep", env={"TMPDIR": str(private_tmp), "PORT": "0"}) as process:
        assert process.stdout is not None
        try:
            shown = _until(process, "curl -OJ")
            url = re.search(r"http://127\.0\.0\.1:\d+", shown)
            assert url is not None
            with urllib.request.urlopen(f"{url[0]}/datasets", timeout=10) as answer:
                assert b"records" in answer.read()
            line = re.search(r"^ *export DATABASE_URL=(.+)$", shown, re.MULTILINE)
            assert line is not None, shown
            [database] = shlex.split(line[1])
            exported = cli("export", "records", "--limit", "2", "--quiet", env={"DATABASE_URL": database})
            assert exported.stdout.count(b"\n") == 3, exported.stderr
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)


@pytest.fixture(scope="module")
def table(server: Database) -> Iterator[tuple[str, Sums]]:
    """A filled table and what the server says about it."""
    with server.database() as dsn:
        fill_records(dsn, ROWS, lambda _: None)
        yield dsn, sums_of_server(dsn)


def _file(dsn: str, folder: Path, name: str) -> Path:
    target = folder / f"records.{name}"
    result = cli("export", "records", "-o", str(target), dsn=dsn)
    assert result.returncode == 0, result.stderr
    return target


@pytest.mark.parametrize("name", [name for name, _ in DOWNLOADS])
def test_the_readers_see_a_changed_row(table: tuple[str, Sums], tmp_path: Path, name: str) -> None:
    """The check is no formality: a row less, a value changed or a letter lost makes other sums."""
    dsn, expected = table
    spec = dict(DOWNLOADS)[name]
    kind, compression = spec["format"], spec.get("compression")
    assert check(_file(dsn, tmp_path, name), kind, compression, expected) == (ROWS, None)
    for change in ("id > 1", "id <> 7"):
        target = tmp_path / f"less.{name}"
        assert cli("export", "records", "-o", str(target), "--where", change, dsn=dsn).returncode == 0
        found = read_sums(target, kind, compression)
        assert found.rows == expected.rows - 1
        assert found != replace(expected, rows=found.rows)
        assert check(target, kind, compression, expected)[1] is not None


@pytest.mark.parametrize("name", [name for name, _ in DOWNLOADS if name != "csv"])
def test_the_readers_refuse_a_cut_file(table: tuple[str, Sums], tmp_path: Path, name: str) -> None:
    dsn, expected = table
    spec = dict(DOWNLOADS)[name]
    target = _file(dsn, tmp_path, name)
    whole = target.read_bytes()
    target.write_bytes(whole[: len(whole) * 2 // 3])
    assert check(target, spec["format"], spec.get("compression"), expected)[1] is not None


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (b"[\n", b"", "bracket"),
        (b"},\n", b"}\n", "instead of the end"),
        (b"},\n", b"},,\n", "JSON"),
        (b"},\n", b"},", "JSON"),
        (b"}\n]", b"},\n]", "instead of the end"),
        (b"}\n]", b"}\n]]", "instead of the end"),
        (b"}\n]", b"}\n", "instead of the end"),
        (b'"id":', b"id:", "JSON"),
    ],
)
def test_json_that_is_no_array_is_refused(
    table: tuple[str, Sums], tmp_path: Path, before: bytes, after: bytes, reason: str
) -> None:
    """The reader takes the array apart by its lines; each way not to be one must show."""
    dsn, expected = table
    target = _file(dsn, tmp_path, "json")
    whole = target.read_bytes()
    assert before in whole
    target.write_bytes(whole.replace(before, after, 1))
    rows, problem = check(target, "json", None, expected)
    assert rows == 0
    assert problem is not None
    assert reason in problem


def test_values_are_a_function_of_the_id(server: Database, table: tuple[str, Sums]) -> None:
    with server.database() as dsn:
        fill_records(dsn, ROWS, lambda _: None)
        assert sums_of_server(dsn) == table[1]


def _descendants(folder: Path) -> list[psutil.Process]:
    """The processes whose command line or environment names the folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in _command_line(process) or process.environ().get("TMPDIR") == str(folder):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def _command_line(process: psutil.Process) -> str:
    """Empty for a process that has ended, between being listed and being asked, reaped or not."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # ZombieProcess is one.
        return ""


def _wait_for_reader(owner: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any("demo.reading" in _command_line(child) for child in psutil.Process(owner).children()):
            return
        time.sleep(0.01)
    raise AssertionError("no file is read back")


def _until(process: subprocess.Popen[bytes], word: str) -> str:
    assert process.stdout is not None
    shown = ""
    deadline = time.monotonic() + 60
    while word not in shown and time.monotonic() < deadline:
        shown += process.stdout.readline().decode()
    return shown
