"""``polyglot demo``: PostgreSQL, a table, the service, a client and a check, with nothing to prepare and nothing left
behind.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from polyglot_export.cli.demo.client import Client
from polyglot_export.cli.demo.reading import READERS, Reading, ReadingRoom
from polyglot_export.cli.demo.service import HOST, ServiceProcess
from polyglot_export.cli.demo.sets import show_dump
from polyglot_export.cli.demo.show import Result, Screen
from polyglot_export.cli.signals import raising_interrupted
from polyglot_export.errors import PolyglotError
from polyglot_export.testing.postgres import EmbeddedServer, PostgresServer, free_port
from polyglot_export.testing.records import TABLE, Sums, fill_records, sums_of_server

__all__ = ["psql_seconds", "run"]

DATABASE: Final = "exports_db"
SERVE_PORT: Final = 8080
"""The service's own default, taken by ``keep`` when it is free."""

DOWNLOADS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("csv", {"format": "csv"}),
    ("json", {"format": "json"}),
    ("ndjson", {"format": "ndjson"}),
    ("xml", {"format": "xml"}),
    ("parquet", {"format": "parquet"}),
    ("xlsx", {"format": "xlsx"}),
    ("csv.gz", {"format": "csv", "compression": "gzip"}),
    ("csv.zst", {"format": "csv", "compression": "zstd"}),
)


def run(rows: int, keep: bool = False) -> int:
    """Show everything once, or with ``keep`` leave database and service running until a signal comes.

    Args:
        rows: Rows of the sample table.
        keep: Serve instead of measure.

    Returns:
        0 when every file is what the server says, 1 otherwise.

    Raises:
        Interrupted: A signal asked for the end; everything has been stopped and removed.
    """
    screen = Screen()
    with (
        raising_interrupted(),
        tempfile.TemporaryDirectory(prefix="polyglot-demo-") as folder,
        EmbeddedServer() as server,
    ):
        dsn = _prepare(screen, server, rows)
        log = Path(folder) / "service.log"
        if keep:
            return _keep(screen, dsn, log)
        with ServiceProcess(dsn, log) as service:
            screen.say(f"service: {service.url}")
            results = _measure(screen, server, service, Path(folder), sums_of_server(dsn))
        screen.table_foot(results)
        problems = [f"{result.name}: {result.problem}" for result in results if result.problem is not None]
        wrong = show_dump(screen, dsn, Path(folder) / "dump")
    problems += [f"dump: {wrong}"] if wrong is not None else []
    for problem in problems:
        screen.say(f"WRONG {problem}")
    screen.say(f"the page to try it in a browser: make serve, then http://{HOST}:{SERVE_PORT}/")
    return 1 if problems else 0


def psql_seconds(server: PostgresServer) -> float:
    """Seconds of psql's own ``copy`` as csv to /dev/null, with the psql of the same installation."""
    command = f"\\copy {TABLE} to '/dev/null' with (format csv, header)"
    started = time.perf_counter()
    subprocess.run(
        [str(server.bin_dir / "psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command", command],
        env=server.environment(DATABASE),
        check=True,
        # Ctrl-C reaches this process, which then ends psql; on the terminal it would write a line of its own.
        start_new_session=True,
    )
    return time.perf_counter() - started


def _prepare(screen: Screen, server: PostgresServer, rows: int) -> str:
    import psycopg

    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0")
        version = connection.info.parameter_status("server_version")
    screen.say(f"PostgreSQL {version} in {server.directory}")
    dsn = server.dsn(DATABASE)
    with screen.bar(f"filling {TABLE}", rows) as progress:
        fill_records(dsn, rows, progress)
    return dsn


def _measure(
    screen: Screen, server: PostgresServer, service: ServiceProcess, folder: Path, expected: Sums
) -> list[Result]:
    """Download every format and read it back; each line is shown when its file has been read.

    psql runs right before each download, so that both see the same machine, and no file is read meanwhile.
    """
    taken: dict[str, Callable[[int, str | None], Result]] = {}
    results = []

    def show(room: ReadingRoom, unread: int) -> None:
        for name, rows, problem in room.finished(unread):
            results.append(taken[name](rows, problem))
            screen.table_line(results[-1])

    screen.table_head(expected.rows)
    with ReadingRoom() as room:
        for name, spec in DOWNLOADS:
            target = folder / f"{TABLE}.{name}"
            with room.standing_still():
                taken[name] = _download(service, target, name, spec, psql_seconds(server))
            room.start(name, Reading(target, spec["format"], spec.get("compression"), expected))
            show(room, READERS - 1)
        show(room, 0)
    return results


def _download(
    service: ServiceProcess, target: Path, name: str, spec: dict[str, Any], psql: float
) -> Callable[[int, str | None], Result]:
    """Download one file; gives the result as a function of what its reader finds, which is known later."""
    with Client(service.url) as client:
        export_id = client.create({"dataset": TABLE, **spec})
        service.reset_peak()
        started = time.perf_counter()
        size = client.download(export_id, target)
        seconds = time.perf_counter() - started
        peak = service.peak_bytes()
        status = client.state(export_id)["status"]
    wrong_state = None if status == "completed" else f"the job is {status}"
    return lambda rows, problem: Result(name, rows, seconds, size, peak, psql, wrong_state or problem)


def _keep(screen: Screen, dsn: str, log: Path) -> int:
    with ServiceProcess(dsn, log, _serve_port()) as service:
        url = service.url
        screen.say(f"serving table {TABLE} on {url} (log: {log}); Ctrl-C ends it.")
        screen.say(f"the page: {url}/")
        screen.say()
        screen.say("Or try:")
        screen.say(f"  export DATABASE_URL={shlex.quote(dsn)}")
        screen.say(f"  polyglot export {TABLE} --limit 3")
        screen.say(f"  curl {url}/datasets")
        screen.say(
            f'  curl -s {url}/exports -H \'Content-Type: application/json\' -d \'{{"format": "csv", "limit": 1000}}\''
        )
        screen.say(f"  curl -OJ {url}/exports/ID/download     # ID: exportId of the answer above")
        screen.say()
        code = service.wait()
        raise PolyglotError(f"the service ended with {code}", detail=log.read_text(errors="replace")[-2000:])


def _serve_port() -> int:
    """``PORT``, else 8080 when nobody listens there, else a free one."""
    wanted = os.environ.get("PORT")
    if wanted:
        return int(wanted)
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, SERVE_PORT))
        except OSError:
            return free_port(HOST)
    return SERVE_PORT
