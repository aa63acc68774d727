"""The real service in a memory cgroup, with what it holds seen from outside."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polyglot_export
from benchmarks.memory_group import MemoryGroup

__all__ = ["ConfinedService", "confined_service"]

READY_SECONDS = 60.0
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class ConfinedService:
    """A running service.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        process: Itself.
        group: What counts its memory.
        log: The file with its log lines.
        spool: The folder of its temporary files.
    """

    port: int
    process: subprocess.Popen[bytes]
    group: MemoryGroup
    log: Path
    spool: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def ended(self) -> bool:
        """Whether the process is no more."""
        return self.process.poll() is not None

    def resident(self) -> int:
        """Bytes of resident memory now."""
        return self._status("VmRSS") * 1024

    def resident_peak(self) -> int:
        """The most since :meth:`reset_peaks`."""
        return self._status("VmHWM") * 1024

    def threads(self) -> int:
        """How many threads it has."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/task").iterdir())

    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    def temporary_files(self) -> list[str]:
        """Files below its temporary folder, apart from the lock of its spool."""
        return [
            str(path.relative_to(self.spool))
            for path in self.spool.rglob("*")
            if path.is_file() and path.name != "lock"
        ]

    def reset_peaks(self) -> None:
        """Begin anew to look for peaks (proc(5), ``clear_refs``: 5 resets the peak of the resident set)."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")
        self.group.reset_peak()

    def _status(self, name: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
        raise ProcessLookupError(self.pid)


@contextmanager
def confined_service(
    dsn: str, limit: int, settings: Mapping[str, object] | None = None, descriptors: int | None = None
) -> Iterator[ConfinedService]:
    """Start ``polyglot serve`` in a group, and stop both at the end.

    Args:
        dsn: The database, which is outside of the group.
        limit: Bytes of the group. The service is not told: it has to find out.
        settings: Settings of the service: ``{"max_connections": 64}`` becomes ``POLYGLOT_MAX_CONNECTIONS``.
        descriptors: How many it may have open; ``None`` for what this process may.

    Raises:
        NoGroup: There is none to be had.
        RuntimeError: The service did not start, or had to be killed at the end.
    """
    with MemoryGroup.create(limit) as group, tempfile.TemporaryDirectory(prefix="polyglot-confined-") as folder:
        root = Path(folder)
        spool = root / "tmp"
        spool.mkdir()
        log = root / "service.log"
        port = _free_port()
        foreign = ("PG", "POLYGLOT_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        # The package of this process, also where it is not installed.
        package = str(Path(polyglot_export.__file__).parents[1])
        environment["PYTHONPATH"] = os.pathsep.join([package, *filter(None, [environment.get("PYTHONPATH")])])
        environment |= {"DATABASE_URL": dsn, "HOST": "127.0.0.1", "PORT": str(port), "TMPDIR": str(spool)}
        environment |= {f"POLYGLOT_{name.upper()}": str(value) for name, value in (settings or {}).items()}
        command = [*_program(), "serve"]
        if descriptors is not None:
            command = ["sh", "-c", 'ulimit -n "$0" && exec "$@"', str(descriptors), *command]
        with log.open("wb") as sink:
            process = subprocess.Popen(
                group.command(command),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=folder,
                process_group=0,
            )
        try:
            _wait_until_ready(process, port, log)
            yield ConfinedService(port, process, group, log, spool)
        finally:
            _stop(process)


def _program() -> list[str]:
    script = Path(sys.executable).with_name("polyglot")
    if script.exists():
        return [str(script)]
    return [
        sys.executable,
        "-c",
        "import sys; sys.argv[0] = 'polyglot'; from polyglot_export.cli.start import main; main()",
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5):
                return
        except (OSError, urllib.error.HTTPError):
            time.sleep(0.1)
    raise RuntimeError(f"the service did not start: {log.read_text(errors='replace')[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise RuntimeError(f"the service did not stop within {STOP_SECONDS:g} s") from None
