"""How soon a download begins and ends, beside the same bytes from memory: ``python -m benchmarks.latency [--write]``.

One, eight and 64 clients take files of 10 rows, 10,000 rows, and of a large table, each again and again over a new
connection: from the service, which makes the file, and from a plain uvicorn application that has it in memory
(``benchmarks/memory_server.py``). The two have their turns in each round. Every file is compared with what ``COPY`` of
the server says. ``--write`` puts the table into docs/performance.md.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psycopg

from benchmarks.callers import cpu_seconds
from benchmarks.clients import Ending, take_file
from benchmarks.hostile.honest import percentile
from benchmarks.pages import write_into
from polyglot_export import _core
from polyglot_export.testing.postgres import EmbeddedServer
from polyglot_export.testing.records import fill_records
from tests.fixtures.process import serve

__all__ = ["Cell", "Target", "main", "measured", "table"]

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
SMALL, MIDDLE, LARGE = 10, 10_000, 100_000
CLIENTS = (1, 8, 64)
LEAST_DOWNLOADS = 100
"""Of a cell, of each server: the 99th percentile of fewer is the slowest one."""
DOWNLOADS_OF_A_CLIENT = 2
QUEUE_SECONDS = 300
"""Nobody is refused, however slow the machine: what is measured is the wait."""
SHARES = (0.5, 0.95, 0.99)
COLUMNS = (
    "rows",
    "clients",
    "downloads",
    "first byte",
    "from memory",
    "last byte",
    "from memory",
    "beside memory",
    "CPU of the service",
    "of the plain one",
)


@dataclass(frozen=True)
class Target:
    """A server that is asked.

    Attributes:
        port: On 127.0.0.1.
        pid: Of its process.
        prefix: What stands before the name of a file in its path.
    """

    port: int
    pid: int
    prefix: str


@dataclass
class Seen:
    """What the clients of one server saw, in one cell.

    Attributes:
        firsts: Seconds from the connection's beginning to the first byte of the answer, for each round.
        wholes: The same to the last byte.
        cpu: Processor seconds of the server for all of it.
    """

    firsts: list[list[float]] = field(default_factory=list)
    wholes: list[list[float]] = field(default_factory=list)
    cpu: float = 0.0

    def count(self) -> int:
        """Downloads."""
        return sum(map(len, self.wholes))


@dataclass
class Cell:
    """One size of a file and one number of clients, by the service and from memory."""

    rows: int
    clients: int
    ours: Seen = field(default_factory=Seen)
    memory: Seen = field(default_factory=Seen)


class WrongDownload(Exception):
    """A download failed, or its file is not what the server says."""


def measured(rows: Sequence[int], clients: Sequence[int], rounds: int, least: int = LEAST_DOWNLOADS) -> list[Cell]:
    """Measure every cell.

    Args:
        rows: Of the files.
        clients: How many at a time.
        rounds: Turns of each server in a cell.
        least: Downloads of a cell by each server, at least.

    Raises:
        WrongDownload: Something went wrong, so that there is nothing to compare.
    """
    cells = [Cell(size, number) for size in rows for number in clients]
    with EmbeddedServer() as server, tempfile.TemporaryDirectory(prefix="polyglot-latency-") as folder:
        files = make_files(server.dsn(), rows, Path(folder))
        with (
            serve(server.dsn(), queue_timeout=QUEUE_SECONDS) as service,
            memory_server(Path(folder)) as memory,
        ):
            ours = Target(service.port, service.process.pid, "/datasets/")
            for target in (ours, memory):
                for name, content in files.items():
                    asyncio.run(downloads(target, name, content, 1, 3))
            for cell in cells:
                name = file_name(cell.rows)
                total = max(least, DOWNLOADS_OF_A_CLIENT * cell.clients)
                each = -(-total // (rounds * cell.clients))
                for _ in range(rounds):
                    turn(ours, name, files[name], cell.clients, each, cell.ours)
                    turn(memory, name, files[name], cell.clients, each, cell.memory)
                print(f"{cell.rows:,} rows, {cell.clients} clients: {cell.ours.count()} downloads", file=sys.stderr)
    return cells


def file_name(rows: int) -> str:
    """Of the file, and as far as its ending that of the table."""
    return f"rows_{rows}.csv"


def make_files(dsn: str, rows: Sequence[int], folder: Path) -> dict[str, bytes]:
    """Make a table for each size, and the file of each as ``COPY`` writes it; gives them by name."""
    fill_records(dsn, max(rows), lambda _: None)
    files: dict[str, bytes] = {}
    with psycopg.connect(dsn, autocommit=True) as connection:
        # A scan that joins another one begins in the middle of the table.
        connection.execute("SET synchronize_seqscans = off")
        for size in rows:
            name = file_name(size).removesuffix(".csv")
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM records WHERE id <= {size} ORDER BY id".encode())
            with connection.cursor().copy(f"COPY {name} TO STDOUT (FORMAT csv, HEADER)".encode()) as copy:
                files[file_name(size)] = b"".join(copy)
        connection.execute("VACUUM ANALYZE")
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return files


@contextmanager
def memory_server(folder: Path) -> Iterator[Target]:
    """The plain application, with the files of a folder."""
    command = [sys.executable, "-m", "benchmarks.memory_server", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1])
    try:
        if process.stdout is None or not (port := process.stdout.readline()):
            raise WrongDownload("the plain application did not start")
        yield Target(int(port), process.pid, "/")
    finally:
        process.terminate()
        process.communicate()


def turn(target: Target, name: str, expected: bytes, clients: int, each: int, seen: Seen) -> None:
    """One server, for one round of a cell; what was seen is added."""
    before = cpu_seconds(target.pid)
    found = asyncio.run(downloads(target, name, expected, clients, each))
    seen.cpu += cpu_seconds(target.pid) - before
    seen.firsts.append([first for first, _ in found])
    seen.wholes.append([whole for _, whole in found])


async def downloads(target: Target, name: str, expected: bytes, clients: int, each: int) -> list[tuple[float, float]]:
    """Seconds to the first byte and to the last one, of every download of clients that are there at the same time.

    Raises:
        WrongDownload: One failed, or is not what it must be.
    """
    found: list[tuple[float, float]] = []

    async def client() -> None:
        for _ in range(each):
            taken = _Compared(expected)
            outcome = await take_file(target.port, target.prefix + name, taken.take)
            if outcome.ending is not Ending.COMPLETE or not taken.right():
                raise WrongDownload(f"{name}: {outcome.ending.value} {outcome.status} {outcome.detail}".strip())
            found.append((outcome.first, outcome.seconds))

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
    return found


class _Compared:
    """Compares a file as it comes; that costs a client hardly anything."""

    def __init__(self, expected: bytes) -> None:
        self._expected = memoryview(expected)
        self._at = 0
        self._same = True

    def take(self, data: bytes) -> None:
        self._same = self._same and self._expected[self._at : self._at + len(data)] == data
        self._at += len(data)

    def right(self) -> bool:
        return self._same and self._at == len(self._expected)


def table(cells: Sequence[Cell]) -> str:
    """What stands on the page: milliseconds, and the median of the ratios of the rounds."""
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{' --- |' * len(COLUMNS)}"]
    for cell in cells:
        ratio = median(
            median(ours) / median(memory) for ours, memory in zip(cell.ours.wholes, cell.memory.wholes, strict=True)
        )
        shown = [
            f"{cell.rows:,}",
            f"{cell.clients}",
            f"{cell.ours.count():,}",
            _shares(cell.ours.firsts),
            _shares(cell.memory.firsts),
            _shares(cell.ours.wholes),
            _shares(cell.memory.wholes),
            f"{ratio:.1f}",
            *(f"{1000 * seen.cpu / seen.count():.1f}" for seen in (cell.ours, cell.memory)),
        ]
        lines.append(f"| {' | '.join(shown)} |")
    return "\n".join(lines)


def _shares(rounds: Sequence[Sequence[float]]) -> str:
    every = [seconds for each in rounds for seconds in each]
    return ", ".join(_milliseconds(percentile(every, share)) for share in SHARES)


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f}" if seconds < 0.1 else f"{1000 * seconds:,.0f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each server in a cell (5)")
    parser.add_argument("--rows", type=int, default=LARGE, help=f"of the large table ({LARGE:,})")
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS, help="at a time (1 8 64)")
    parser.add_argument("--downloads", type=int, default=LEAST_DOWNLOADS, help="of a cell, at least (100)")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    given = parser.parse_args(arguments)
    if _core.build_profile != "release":
        print(f"the core is a {_core.build_profile} build; make install makes a release build", file=sys.stderr)
        return 2
    text = table(measured((SMALL, MIDDLE, given.rows), given.clients, given.rounds, given.downloads))
    print(text)
    if given.write:
        write_into(PAGE, "latency", text, "python -m benchmarks.latency --write")
    return 0


if __name__ == "__main__":
    sys.exit(main())
