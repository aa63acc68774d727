"""Rotation while exports run, and an end that nobody holds up."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from polyglot_export.access.keys import hash_key
from tests.fixtures.process import Service, environment, free_port
from tests.fixtures.process import command as program
from tests.service.audited import KEY, audited, bearer, lines
from tests.service.client import assert_problem, call, post, wait_for

EVENTS = ["export.created", "run.begun", "run.ended"]
ROUNDS = 12
PAGE = Path(__file__).parents[2] / "docs" / "howto" / "audit.md"


def _signalled(service: Service, log: Path, moved: Path) -> None:
    log.rename(moved)
    service.process.send_signal(signal.SIGHUP)


def _silent(_: Service, log: Path, moved: Path) -> None:
    log.rename(moved)


def _created(service: Service, log: Path, moved: Path) -> None:
    """As logrotate with ``create``: the new file is there before anybody says so."""
    log.rename(moved)
    log.touch(0o600)
    service.process.send_signal(signal.SIGHUP)


def _by_logrotate(_: Service, log: Path, moved: Path) -> None:
    """The program itself, as the page tells to set it up."""
    block = re.search(
        r"^/var/log/polyglot/audit\.log \{\n.*?^\}\n", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert block is not None
    config = log.parent.parent / "logrotate.conf"
    config.write_text(f"su {os.getuid()} {os.getgid()}\n" + block[0].replace("/var/log/polyglot/audit.log", str(log)))
    config.chmod(0o600)
    program = shutil.which("logrotate", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None, "tools/system-packages.sh installs logrotate"
    subprocess.run([program, "--force", "--state", str(config.with_suffix(".state")), str(config)], check=True)
    # What it made of it, under the name that the test looks for, before its next turn compresses it.
    log.with_name("audit.log.1").rename(moved)


@pytest.mark.parametrize("rotate", [_signalled, _silent, _created, _by_logrotate])
def test_no_line_is_lost(records: str, tmp_path: Path, rotate: Callable[[Service, Path, Path], None]) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = folder / "audit.log"
    made: list[str] = []
    over = threading.Event()

    def work(service: Service) -> None:
        while not over.is_set():
            export = post(service, {"format": "csv", "dataset": "small"}, headers=bearer(KEY)).json()["exportId"]
            assert call(service, f"/exports/{export}/download", headers=bearer(KEY)).status == 200
            made.append(export)

    def went_on(before: int) -> bool:
        return len(made) > before + 3 or not any(each.is_alive() for each in workers)

    with audited(records, tmp_path, log) as service:
        workers = [threading.Thread(target=work, args=(service,)) for _ in range(3)]
        for worker in workers:
            worker.start()
        try:
            for number in range(ROUNDS):
                before = len(made)
                rotate(service, log, folder / f"audit.{number}")
                wait_for(partial(went_on, before))
        finally:
            over.set()
            for worker in workers:
                worker.join()
    told: dict[str, list[str]] = {}
    files = [*(folder / f"audit.{number}" for number in range(ROUNDS)), log]
    for path in files:
        for line in lines(path):
            told.setdefault(line.get("exportId", ""), []).append(line["event"])
    assert len(made) > ROUNDS * 3
    assert {export: told[export] for export in made} == dict.fromkeys(made, EVENTS)
    assert all(path.stat().st_size for path in files)


def test_a_file_that_is_copied_and_emptied_goes_on_at_its_beginning(records: str, tmp_path: Path) -> None:
    """As logrotate with ``copytruncate``; lines between its two steps are lost by it."""
    log = tmp_path / "audit.log"
    with audited(records, tmp_path, log) as service:
        made = [post(service, {"format": "csv"}, headers=bearer(KEY)).json()["exportId"] for _ in range(5)]
        shutil.copy(log, tmp_path / "audit.1")
        os.truncate(log, 0)
        made += [post(service, {"format": "csv"}, headers=bearer(KEY)).json()["exportId"] for _ in range(5)]
    assert b"\0" not in log.read_bytes()
    told = Counter(line.get("exportId") for path in (tmp_path / "audit.1", log) for line in lines(path))
    assert {export: told[export] for export in made} == dict.fromkeys(made, 1)


def test_a_reader_of_standard_output_that_stands_still_holds_nobody_up(records: str, tmp_path: Path) -> None:
    """Exports are refused, everything else goes on, and the process ends when it is told to."""
    config = tmp_path / "polyglot.toml"
    config.write_text(f'[datasets.small]\ntable = "public.small"\n[keys.app]\nhash = "{hash_key(KEY)}"\n')
    port = free_port()
    variables = {"HOST": "127.0.0.1", "PORT": str(port), "POLYGLOT_CONFIG": str(config), "POLYGLOT_AUDIT_LOG": "-"}
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    process = subprocess.Popen(
        [*program(), "serve"], env=environment(records, variables), stdout=writer, stderr=subprocess.DEVNULL
    )
    os.close(writer)
    url = f"http://127.0.0.1:{port}"

    def refused() -> bool:
        return post(url, {"format": "csv", "dataset": "small"}, headers=bearer(KEY)).status == 503

    try:
        wait_for(lambda: _answers(url))
        wait_for(refused)
        assert_problem(call(url, "/health/ready"), 503, "audit-away")
        assert call(url, "/datasets", headers=bearer(KEY)).status == 200
        # The reader is back, and then it is not.
        os.set_blocking(reader, False)
        assert os.read(reader, 1 << 20).startswith(b'{"time":')
        wait_for(lambda: call(url, "/health/ready").status == 200)
        wait_for(refused)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(reader)


def _answers(url: str) -> bool:
    try:
        return call(url, "/health/live").status == 200
    except OSError:
        return False
