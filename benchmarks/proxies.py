r"""Which proxies keep a broken export visible: the real service behind real proxies, and a database that is cut in the
middle.

    python -m benchmarks.proxies                     all of them, about three minutes
    python -m benchmarks.proxies --proxy nginx       one program

For each proxy and each set of settings:

- a whole stream must arrive as it is, byte for byte;
- the server processes of an export are terminated in the middle: does curl notice, over HTTP/1.1 and over HTTP/1.0?
- a prepared file must arrive whole, over HTTP/1.1 and 1.0, and the rest of it when a download is continued;
- the client is killed in the middle: after how many seconds do its queries end?

It prints the table of docs/operations.md. Needs curl and, on Debian, the packages nginx-light, haproxy, caddy and
apache2; what is not there is left out and named. Exit code 0 when everything behaved as the guide says, 1 when not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.reverse_proxies import PROXIES, ReverseProxy, free_port, missing, running
from polyglot_export.testing.postgres import EmbeddedServer
from polyglot_export.testing.records import fill_records

__all__ = ["Row", "main", "measure", "table"]

ROWS = 400_000
"""About 45 MB of csv: more than all buffers between the service and a client."""
SMALL = 20_000
"""Rows of what is downloaded whole."""
EXPORT_RATE = 8 << 20
"""Bytes a second that an export is read, so that a proxy that buffers everything has not got it all when it is cut."""
CURL_RATE = "1500K"
"""Bytes a second that the client takes: what the proxy has buffered must not hide the cut."""
CUT_AFTER = 4 << 20
"""Bytes of an export after which it is cut."""
PATIENCE = 60.0


@dataclass(frozen=True)
class Row:
    """What a proxy made of everything; the texts are those of the table."""

    proxy: str
    whole: str
    cut: str
    cut_1_0: str
    file: str
    vanished: str


class Bench:
    """The service with its database, and what the clients see through a proxy."""

    def __init__(self, dsn: str, port: int) -> None:
        self._dsn = dsn
        self._port = port

    def measure(self, proxy: ReverseProxy) -> Row:
        """Run everything behind one proxy."""
        with tempfile.TemporaryDirectory(prefix="polyglot-proxy-") as name:
            folder = Path(name)
            # Apache's workers run as another user.
            folder.chmod(0o755)
            work = folder / "client"
            work.mkdir()
            with running(proxy, self._port, folder) as port:
                whole = self._whole(port, work)
                if "426" in whole:
                    return Row(proxy.name, whole, "–", "–", self._file(port, work), "–")
                return Row(
                    proxy.name,
                    whole,
                    self._cut(port, work),
                    self._cut(port, work, "--http1.0"),
                    self._file(port, work),
                    self._vanish(port, work),
                )

    def _whole(self, port: int, folder: Path) -> str:
        export_id = self._create(limit=SMALL)
        code, status = _curl(port, export_id, folder / "through")
        if status != 200:
            return f"`{status}`"
        _curl(self._port, export_id, folder / "direct")
        return "yes" if code == 0 and _digest(folder / "through") == _digest(folder / "direct") else "**no**"

    def _cut(self, port: int, folder: Path, *options: str) -> str:
        """Whether the client notices that the database went away."""
        export_id = self._create()
        with _start_curl(port, export_id, folder / "cut", "--limit-rate", CURL_RATE, *options) as curl:
            if not _until(lambda: self._job(export_id)["bytes"] > CUT_AFTER or curl.poll() is not None):
                raise RuntimeError("the export did not come as far as it should be cut")
            if curl.poll() is not None:
                return f"refused, `{_status(curl)}`"
            with psycopg.connect(self._dsn, autocommit=True) as connection:
                name = f"polyglot {export_id}"
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", [name]
                )
            code = curl.wait(timeout=PATIENCE)
        if self._job(export_id)["status"] != "failed":
            raise RuntimeError(f"export {export_id} was not cut")
        return f"seen (curl {code})" if code != 0 else "**looks complete**"

    def _file(self, port: int, folder: Path) -> str:
        """A prepared file: whole over both versions, and continued in the middle."""
        export_id = self._create(limit=SMALL, delivery="file")
        _until(lambda: self._job(export_id)["status"] == "completed")
        digest = self._job(export_id)["file"]["sha256"]
        for options in ((), ("--http1.0",)):
            code, status = _curl(port, export_id, folder / "file", *options)
            if code != 0 or status != 200 or _digest(folder / "file") != digest:
                return f"**no** (`{status}`)"
        content = (folder / "file").read_bytes()
        (folder / "file").write_bytes(content[: len(content) // 3])
        code, status = _curl(port, export_id, folder / "file", "-C", "-")
        if code != 0 or status != 206 or _digest(folder / "file") != digest:
            return f"whole, not continued (`{status}`)"
        return "whole and continued"

    def _vanish(self, port: int, folder: Path) -> str:
        """Seconds until the queries of a killed client have ended."""
        export_id = self._create()
        with _start_curl(port, export_id, folder / "gone", "--limit-rate", CURL_RATE) as curl:
            _until(lambda: self._job(export_id)["bytes"] > CUT_AFTER)
            curl.kill()
        began = time.monotonic()
        if not _until(lambda: self._job(export_id)["status"] != "running"):
            return "**never**"
        status = self._job(export_id)["status"]
        return f"{time.monotonic() - began:.1f} s" if status == "cancelled" else f"**{status}**"

    def _create(self, **spec: object) -> str:
        body = json.dumps({"format": "csv", **spec}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/exports", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return str(json.load(answer)["exportId"])

    def _job(self, export_id: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/exports/{export_id}", timeout=PATIENCE) as answer:
            return json.load(answer)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = _options(arguments)
    chosen = [proxy for proxy in PROXIES if options.proxy in (None, proxy.program)]
    if shutil.which("curl") is None:
        print("curl is not installed", file=sys.stderr)
        return 2
    if missing():
        print(f"not installed, and left out: {' '.join(missing())}", file=sys.stderr)
    rows = measure(
        [proxy for proxy in chosen if proxy.path is not None], options.rows, lambda row: print(row, file=sys.stderr)
    )
    print(table(rows))
    return 0 if rows and all(_as_told(row) for row in rows) else 1


def measure(
    proxies: Sequence[ReverseProxy], rows: int = ROWS, on_row: Callable[[Row], None] = lambda _: None
) -> list[Row]:
    """Start database and service, and run everything behind each proxy."""
    found = []
    with EmbeddedServer() as server:
        dsn = server.dsn()
        fill_records(dsn, rows, lambda _: None)
        with _service(dsn) as port:
            bench = Bench(dsn, port)
            for proxy in proxies:
                found.append(bench.measure(proxy))
                on_row(found[-1])
    return found


def table(rows: Sequence[Row]) -> str:
    """The table in Markdown."""
    head = (
        "| proxy | whole stream | cut, HTTP/1.1 client | cut, HTTP/1.0 client | prepared file | vanished client "
        "noticed |\n"
        "| --- | --- | --- | --- | --- | --- |"
    )
    lines = [f"| {row.proxy} | {row.whole} | {row.cut} | {row.cut_1_0} | {row.file} | {row.vanished} |" for row in rows]
    return "\n".join([head, *lines])


def _as_told(row: Row) -> bool:
    """What the operations guide promises of every proxy: a stream is whole or refused, and a prepared file arrives."""
    return row.whole in {"yes", "`426`"} and row.file.startswith("whole")


@contextmanager
def _service(dsn: str) -> Iterator[int]:
    """The service on that database; gives its port."""
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "POLYGLOT_"))}
    settings = {"DATABASE_URL": dsn, "HOST": "127.0.0.1", "PORT": str(port), "POLYGLOT_RATE_LIMIT": str(EXPORT_RATE)}
    with tempfile.TemporaryDirectory(prefix="polyglot-proxies-") as folder, (Path(folder) / "log").open("wb") as log:
        command = [sys.executable, "-c", "from polyglot_export.cli.start import main; main()", "serve"]
        process = subprocess.Popen(
            command, env=kept | settings, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder
        )
        try:
            if not _until(lambda: _ready(port) or process.poll() is not None) or process.poll() is not None:
                raise RuntimeError(f"the service did not start: {Path(log.name).read_text()[-2000:]}")
            yield port
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5):
            return True
    except (OSError, urllib.error.HTTPError):
        return False


def _start_curl(port: int, export_id: str, target: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start curl; what it prints at its end is the status."""
    url = f"http://127.0.0.1:{port}/exports/{export_id}/download"
    command = ["curl", "-s", "--compressed", "-w", "%{http_code}", "-o", str(target), *options, url]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)


def _curl(port: int, export_id: str, target: Path, *options: str) -> tuple[int, int]:
    """Download whole; gives curl's exit code and the status."""
    options = options if "-C" not in options else (*options, "-H", "Accept-Encoding: identity")
    with _start_curl(port, export_id, target, *options) as curl:
        code = curl.wait(timeout=PATIENCE)
        return code, _status(curl)


def _status(curl: subprocess.Popen[bytes]) -> int:
    return int(curl.stdout.read() or b"0") if curl.stdout is not None else 0


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _until(what: Callable[[], object]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.05)
    return False


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.proxies", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--proxy", choices=sorted({proxy.program for proxy in PROXIES}), help="only this program")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the table (default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
