"""Whether many cores are used, on a machine that has few: ``python -m benchmarks.cores [--write]``.

The server costs next to nothing: a program (``benchmarks/replay``) answers the COPY of every segment from memory, as it
was recorded, on any number of connections. Two things are measured.

- What cannot be parallel: the processor time of the main thread, which puts the segments together and writes them,
  beside that of the whole process, both without what an export of ten rows takes. By Amdahl's law it bounds what more
  cores can give.
- What waits for its turn: each connection is limited to a few megabytes a second, as if its backend were the slow part,
  so that one core could serve many of them. So many workers then should take so much less time.

``--write`` puts both tables into docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psycopg

from benchmarks.pages import write_into
from polyglot_export import _core
from polyglot_export.testing.postgres import EmbeddedServer
from polyglot_export.testing.records import fill_records

__all__ = ["Cost", "Replayed", "cost_of", "main", "replay_program", "serial_share"]

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
REPLAY = ROOT / "benchmarks" / "replay"
ROWS, RUNS = 2_000_000, 5
FORMS = ("csv", "json", "xml", "parquet", "csv.gz", "csv.zst")
WORKERS = (1, 2, 4, 8, 16, 32)
MANY = 16
"""Cores for which the bound is told."""
RATE = 10_000_000
"""Bytes a second of a connection that is limited: 32 of them are less than a core can encode."""
TINY = "ten"
"""The table of ten rows, whose export costs what every export costs."""


_EXPORT = """
import json, resource, sys, time
from polyglot_export import export_to_file
dsn, table, target, format_, compression, workers = sys.argv[1:]
began = time.perf_counter(), time.process_time(), time.thread_time()
export_to_file(dsn, table, target, format=format_, compression=compression or None, workers=int(workers))
ended = time.perf_counter(), time.process_time(), time.thread_time()
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([*(end - begin for begin, end in zip(began, ended)), usage.ru_nvcsw, usage.ru_maxrss << 10]))
"""


class OpenServer(EmbeddedServer):
    """A server that lets everybody of this machine in, as the program in front of it knows no password."""

    def prepare_data(self) -> None:
        """Before the first start."""
        rules = self.data / "pg_hba.conf"
        rules.write_text("host all all 127.0.0.1/32 trust\n")
        self.give(rules)


@dataclass(frozen=True)
class Cost:
    """What one export took.

    Attributes:
        seconds: From its start to its end, without that of Python.
        cpu: Processor seconds of the process.
        main: Those of its main thread.
        switches: How often a thread of it waited.
        peak: Its largest resident set in bytes.
    """

    seconds: float
    cpu: float
    main: float
    switches: int
    peak: int


def median_cost(costs: Sequence[Cost]) -> Cost:
    """Of each figure the median."""
    return Cost(
        median(each.seconds for each in costs),
        median(each.cpu for each in costs),
        median(each.main for each in costs),
        int(median(each.switches for each in costs)),
        int(median(each.peak for each in costs)),
    )


def serial_share(cost: Cost, tiny: Cost) -> float:
    """The part of the work on rows that only the main thread does, from 0 to 1."""
    work = cost.cpu - tiny.cpu
    return min(1.0, max(0.0, (cost.main - tiny.main) / work)) if work > 0 else 0.0


def speed_up(share: float, cores: int) -> float:
    """How many times faster so many cores are than one, at most (Amdahl's law)."""
    return 1 / (share + (1 - share) / cores)


def replay_program() -> Path:
    """Build the program if that is to be done.

    Raises:
        CalledProcessError: cargo refuses; it says why.
    """
    manifest = REPLAY / "Cargo.toml"
    subprocess.run(["cargo", "build", "--release", "--quiet", "--locked", "--manifest-path", manifest], check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPLAY / "target"))
    return target / "release" / "polyglot-replay"


@dataclass(frozen=True)
class Replayed:
    """The program, which runs.

    Attributes:
        dsn: Of the database through it.
    """

    dsn: str

    @classmethod
    @contextmanager
    def running(cls, program: Path, behind: int, rate: int | None = None) -> Iterator[Replayed]:
        """Run it.

        Args:
            program: Of :func:`replay_program`.
            behind: The port of the server behind it.
            rate: Most bytes a second of a connection.
        """
        with tempfile.TemporaryDirectory(prefix="polyglot-replay-") as folder:
            command = [str(program), folder, str(behind), *([str(rate)] if rate is not None else [])]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            try:
                if process.stdout is None or not process.stdout.readline():
                    raise RuntimeError(f"{program} did not start")
                yield cls(f"host={folder} port=5432 user=postgres dbname=postgres")
            finally:
                process.communicate()


def cost_of(dsn: str, form: str, table: str, workers: int, target: Path, cores: int | None = None) -> Cost:
    """Export once, in a process of its own whose main thread puts the file together.

    Args:
        dsn: Where the table is.
        form: A format, with the ending of a compression if it is to be compressed.
        table: What is exported.
        workers: So many.
        target: Where to; it is written anew.
        cores: The process may use the first so many only; all by default.

    Raises:
        CalledProcessError: It failed.
    """
    format_, _, ending = form.partition(".")
    compression = {"gz": "gzip", "zst": "zstd"}.get(ending, "")
    command = [sys.executable, "-c", _EXPORT, dsn, table, str(target), format_, compression, str(workers)]
    with _pinned(cores):
        child = subprocess.Popen(command, stdout=subprocess.PIPE)
    printed, _ = child.communicate()
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command[3:])
    return Cost(*json.loads(printed))


@contextmanager
def _pinned(cores: int | None) -> Iterator[None]:
    """What is started meanwhile may use so many cores."""
    usable = os.sched_getaffinity(0)
    if cores is not None:
        os.sched_setaffinity(0, sorted(usable)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, usable)


def shares(dsn: str, forms: Sequence[str], rows: int, runs: int, folder: Path) -> str:
    """The table of what cannot be parallel."""
    names = ["", "to", "rows/s on 1 core", "on 2", "CPU s for 1,000,000 rows", "of which main thread", "share"]
    names.append(f"{MANY} cores, at most")
    lines = [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]
    for form in forms:
        for target in (Path("/dev/null"), folder / f"records.{form}"):
            cost_of(dsn, form, "records", 2, target)
            one = median_cost([cost_of(dsn, form, "records", 2, target, 1) for _ in range(runs)])
            two = median_cost([cost_of(dsn, form, "records", 2, target, 2) for _ in range(runs)])
            tiny = median_cost([cost_of(dsn, form, TINY, 2, target, 2) for _ in range(runs)])
            share, million = serial_share(two, tiny), 1e6 / rows
            cells = [
                form,
                "a file" if target.parent == folder else "/dev/null",
                *(f"{rows / (cost.seconds - tiny.seconds):,.0f}" for cost in (one, two)),
                f"{(two.cpu - tiny.cpu) * million:.2f}",
                f"{max(0.0, two.main - tiny.main) * million:.3f}",
                f"{share:.1%}",
                f"{speed_up(share, MANY):.1f} times one",
            ]
            lines.append(f"| {' | '.join(cells)} |")
            print(lines[-1], file=sys.stderr)
    return "\n".join(lines)


def scaling(dsn: str, forms: Sequence[str], workers: Sequence[int], runs: int) -> str:
    """The table of what waits for its turn: the time beside that of one worker, divided by how many there are."""
    names = ("", "workers", "s", "of what they could", "CPU s", "waits", "peak MB")
    lines = [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]
    null = Path("/dev/null")
    for form in forms:
        cost_of(dsn, form, "records", max(workers), null)
        tiny = median_cost([cost_of(dsn, form, TINY, 1, null) for _ in range(runs)])
        alone = 0.0
        for count in workers:
            cost = median_cost([cost_of(dsn, form, "records", count, null) for _ in range(runs)])
            reading = cost.seconds - tiny.seconds
            alone = alone or reading * count
            cells = [
                form,
                str(count),
                f"{cost.seconds:.1f}",
                f"{alone / count / reading:.0%}",
                f"{cost.cpu:.2f}",
                f"{cost.switches:,}",
                f"{cost.peak >> 20}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
            print(lines[-1], file=sys.stderr)
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS, help=f"of the table ({ROWS:,})")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"of each case ({RUNS})")
    parser.add_argument("--formats", nargs="+", default=FORMS, choices=FORMS, metavar="FORMAT", help="(all)")
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS, help="for the second table (1 2 … 32)")
    parser.add_argument("--rate", type=int, default=RATE, help=f"bytes a second of a connection there ({RATE:,})")
    parser.add_argument("--only", choices=("shares", "scaling"), help="one of the tables")
    parser.add_argument("--write", action="store_true", help="write them into docs/performance.md")
    given = parser.parse_args(arguments)
    if _core.build_profile != "release":
        print(f"the core is a {_core.build_profile} build; make install makes a release build", file=sys.stderr)
        return 2
    program = replay_program()
    tables: dict[str, str] = {}
    with OpenServer() as server, tempfile.TemporaryDirectory(prefix="polyglot-cores-") as folder:
        fill_records(server.dsn(), given.rows, lambda _: None)
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute(f"CREATE TABLE {TINY} AS SELECT * FROM records WHERE id <= 10".encode())
            connection.execute("VACUUM ANALYZE")
        if given.only != "scaling":
            with Replayed.running(program, server.port) as replayed:
                tables["shares"] = shares(replayed.dsn, given.formats, given.rows, given.runs, Path(folder))
        if given.only != "shares":
            with Replayed.running(program, server.port, given.rate) as replayed:
                tables["scaling"] = scaling(replayed.dsn, given.formats[:1], given.workers, given.runs)
    for name, table in tables.items():
        print(table, end="\n\n")
        if given.write:
            write_into(PAGE, name, table, "python -m benchmarks.cores --write")
    return 0


if __name__ == "__main__":
    sys.exit(main())
