"""The service as a process of its own, stopped with its owner, and its memory as the kernel counts it."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, Self

import psutil

from polyglot_export.errors import PolyglotError
from polyglot_export.testing.postgres import free_port

__all__ = ["ServiceProcess"]

HOST: Final = "127.0.0.1"
READY_SECONDS: Final = 30
"""Limit of the start, which takes about one second."""
STOP_SECONDS: Final = 15
"""Limit of an orderly stop: above the grace that the service gives to running downloads."""

_GUARDIAN: Final = 'read -r _ || kill -TERM "$1"'
"""Ends the service when the owner dies without a word; a line says that the owner ends it itself."""


class ServiceProcess:
    """``polyglot serve`` for one database.

    Args:
        dsn: The database.
        port: The port to listen on; 0 chooses a free one.
        output: The file for the service's log.
    """

    def __init__(self, dsn: str, output: Path, port: int = 0) -> None:
        self._dsn = dsn
        self._output = output
        self.port = port or free_port(HOST)
        self._process: subprocess.Popen[bytes] | None = None
        self._guardian: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``."""
        return f"http://{HOST}:{self.port}"

    def wait(self) -> int:
        """Wait until it ends by itself; gives its exit code."""
        return self._running().wait()

    def reset_peak(self) -> None:
        """Start to count the peak anew (proc(5), ``clear_refs``)."""
        try:
            Path(f"/proc/{self._running().pid}/clear_refs").write_text("5")
        except OSError:
            # Not Linux, or not allowed: the peak is then that of its whole life, which is not below the one asked for.
            return

    def peak_bytes(self) -> int:
        """The largest resident set since :meth:`reset_peak`; where the kernel does not tell, the present one."""
        pid = self._running().pid
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return int(psutil.Process(pid).memory_info().rss)
        kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(kilobytes) * 1024

    def stop(self) -> None:
        """Stop it as a supervisor would (SIGTERM), by force if it does not follow. May be called again."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        guardian, self._guardian = self._guardian, None
        if guardian is not None:
            guardian.communicate(b"\n")

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise PolyglotError("the service is not running")
        return self._process

    def _start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "POLYGLOT_"))}
        environment |= {"DATABASE_URL": self._dsn, "HOST": HOST, "PORT": str(self.port)}
        with self._output.open("wb") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from polyglot_export.cli.start import main; main()", "serve"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                # The configuration of the folder in which the demo is called is not the demo's.
                cwd=self._output.parent,
                start_new_session=True,
            )
        self._guardian = subprocess.Popen(
            ["sh", "-c", _GUARDIAN, "guardian", str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait_until_ready(self._process)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise PolyglotError(
                    f"the service ended with {process.returncode}",
                    detail=self._output.read_text(errors="replace")[-2000:],
                )
            if self._is_healthy():
                return
            time.sleep(0.05)
        raise PolyglotError(
            f"the service was not ready after {READY_SECONDS} s",
            detail=self._output.read_text(errors="replace")[-2000:],
        )

    def _is_healthy(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
