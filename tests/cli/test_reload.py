"""``polyglot reload`` finds a service, and tells what came of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyglot_export.access.keys import hash_key
from polyglot_export.cli.processes import services
from tests.cli.helpers import complaint, wait_until
from tests.fixtures.process import Service, cli, serve

KEY = f'[keys.first]\nhash = "{hash_key("x")}"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reload")


@pytest.fixture(scope="module")
def service(module_dsn: str, folder: Path) -> Iterator[Service]:
    (folder / "polyglot.toml").write_text(KEY)
    with serve(module_dsn, config=folder / "polyglot.toml", pid_file=folder / "pid", fresh=True) as running:
        yield running


def test_it_tells_what_came_of_it(service: Service, folder: Path) -> None:
    pid = service.process.pid
    assert (folder / "pid").read_text() == f"{pid}\n"
    config = folder / "polyglot.toml"
    config.write_text(KEY + f'[keys.second]\nhash = "{hash_key("y")}"\n')
    done = cli("reload", env={"POLYGLOT_PID_FILE": str(folder / "pid")})
    assert (done.returncode, done.stderr.decode()) == (
        0,
        f"polyglot: process {pid} has read its configuration again: 2 keys\n",
    )
    config.write_text("[keys.first]\n")
    said = complaint(cli("reload", "--pid-file", str(folder / "pid")), 2)
    assert said == (
        f"process {pid} keeps the configuration that it has: {config}: keys.first.hash: is missing; polyglot keys NAME "
        "makes a key and prints its hash"
    )
    config.write_text(KEY)
    done = cli("reload", "--pid-file", str(folder / "pid"))
    assert done.stderr.decode() == f"polyglot: process {pid} has read its configuration again: 1 key\n"


def test_by_the_number_of_a_process(service: Service) -> None:
    pid = service.process.pid
    count = service.log().count("configuration reloaded")
    done = cli("reload", "--pid", str(pid))
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.decode().startswith(f"polyglot: process {pid} was told")
    wait_until(lambda: service.log().count("configuration reloaded") > count)
    assert pid in services()


def test_a_process_that_is_no_service_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        assert (
            complaint(cli("reload", "--pid", str(other.pid)), 2) == f"--pid: process {other.pid} is no polyglot serve"
        )
        # A file that a crash has left behind, with a number that somebody else has by now.
        (tmp_path / "pid").write_text(f"{other.pid}\n")
        said = complaint(cli("reload", "--pid-file", str(tmp_path / "pid")), 2)
        assert said.endswith("the one that wrote it does not run any more")
        assert other.poll() is None
        other.communicate(b"\n")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--pid-file", "/nowhere/pid"), "no service was found by the file /nowhere/pid: No such file or directory"),
        (("--pid-file", "pid", "--pid", "1"), "reload: --pid and --pid-file name a process each; give one of them"),
        (("--pid", "0"), "--pid"),
        (("--timeout", "soon"), "--timeout: must be a number of seconds"),
    ],
    ids=["no file", "both", "zero", "time"],
)
def test_what_is_wrong_is_named(arguments: tuple[str, ...], reason: str) -> None:
    assert reason in complaint(cli("reload", *arguments), 2)


def test_one_file_is_of_one_service(service: Service, module_dsn: str, folder: Path) -> None:
    env = {"POLYGLOT_PID_FILE": str(folder / "pid"), "PORT": "0"}
    said = complaint(cli("serve", dsn=module_dsn, env=env), 2)
    assert said == (
        f"POLYGLOT_PID_FILE: {folder / 'pid'} belongs to a service that runs (process {service.process.pid})"
    )
    assert (folder / "pid").read_text() == f"{service.process.pid}\n"


def test_the_file_goes_with_the_service(module_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "pid"
    path.write_text("left by a crash\n")
    with serve(module_dsn, pid_file=path, fresh=True) as running:
        assert path.read_text() == f"{running.process.pid}\n"
        os.kill(running.process.pid, signal.SIGTERM)
        running.process.wait(timeout=30)
        assert list(tmp_path.iterdir()) == []


def test_services_are_known_by_their_command_line(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    lines = {
        10: ["/usr/bin/python3", "/opt/venv/bin/polyglot", "serve", "--port", "1"],
        11: ["python", "-m", "polyglot_export", "serve"],
        12: ["/opt/venv/bin/polyglot", "export", "serve"],
        13: ["vim", "polyglot", "notes"],
        14: [],
    }
    for pid, arguments in lines.items():
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cmdline").write_text("".join(f"{each}\0" for each in arguments))
    assert services(tmp_path) == [10, 11]
    assert services(tmp_path / "nothing") == []
