"""What a dump costs, and a check of one: ``python -m benchmarks.dumps``.

Each line compares two whole processes that run one after the other, in pairs; the ratio is the median of theirs.
``psql`` copies the small tables in one session. The store is ``null_store.py``, which drops what it is sent. Speeds are
bytes of the files a second. With ``--peers`` every other tool that writes sets of files and is installed stands beside
our dump of the same (``set_peers/``).
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import psycopg

from benchmarks.object_store import null_store
from benchmarks.set_peers.base import SetJob, SetPeer
from benchmarks.set_peers.registry import set_peers
from polyglot_export.testing.postgres import EmbeddedServer
from polyglot_export.testing.records import fill_records
from polyglot_export.testing.usage import Usage, measure
from polyglot_export.text.tables import aligned

SMALL_TABLES = 40
SMALL_ROWS = (1_000, 20_000)
HEADS = ("FIRST, SECOND", "FIRST s", "SECOND s", "RATIO", "FIRST MB", "SECOND MB")
DAYS = "records:created_at:day"
PROGRAM = str(Path(sys.executable).with_name("polyglot"))


class Bench:
    """A server with tables, and a folder that every run finds empty."""

    def __init__(self, server: EmbeddedServer, folder: Path, pairs: int) -> None:
        self.dsn = server.dsn()
        self.out = folder / "out"
        self._libpq = {
            "PGHOST": server.host,
            "PGPORT": str(server.port),
            "PGUSER": server.user,
            "PGPASSWORD": server.password,
            "PGDATABASE": "postgres",
        }
        self._programs = server.bin_dir
        self._psql = str(server.bin_dir / "psql")
        self._folder = folder
        self._pairs = pairs

    def polyglot(self, *arguments: str, env: Mapping[str, str] | None = None) -> Usage:
        """A run of the program into the empty folder."""
        self._empty()
        return self._measured([PROGRAM, *arguments, "--quiet", "--dsn", self.dsn], env)

    def peer(self, peer: SetPeer, rows: int) -> Usage:
        """A run of another tool, which writes ``records`` into the empty folder."""
        self._empty()
        job = SetJob(self.dsn, "records", rows, self.out, self._folder, self._programs)
        usage = self._measured(peer.command(job), self._libpq | peer.environment(job))
        found = peer.rows(job)
        if found is not None and found != rows:
            raise SystemExit(f"{peer.name}: {found:,} of {rows:,} rows are in its files")
        return usage

    def _empty(self) -> None:
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()

    def verify(self) -> Usage:
        """A check of what the last dump has written."""
        return self._measured([PROGRAM, "verify", str(self.out), "--quiet"])

    def copy(self, tables: list[str]) -> Usage:
        """Psql's own copy of tables, in one session."""
        script = self._folder / "copy.psql"
        lines = (f"\\copy {table} to '{self._folder}/{table}.csv' with (format csv, header)\n" for table in tables)
        script.write_text("".join(lines))
        return self._measured([self._psql, "-X", "-q", "-d", self.dsn, "-f", str(script)])

    def compared(self, name: str, first: Callable[[], Usage], second: Callable[[], Usage]) -> Row:
        """Both, in turn."""
        runs = [(first(), second()) for _ in range(self._pairs)]
        return Row(
            name,
            statistics.median(one.seconds for one, _ in runs),
            statistics.median(two.seconds for _, two in runs),
            statistics.median(two.seconds / one.seconds for one, two in runs),
            (max(one.peak for one, _ in runs), max(two.peak for _, two in runs)),
        )

    def size(self) -> int:
        """Bytes of all files of the last dump."""
        return sum(path.stat().st_size for path in self.out.rglob("part-*"))

    @staticmethod
    def _measured(command: list[str], env: Mapping[str, str] | None = None) -> Usage:
        usage = measure(command, env={**os.environ, **(env or {})})
        if usage.exit_code != 0:
            raise SystemExit(f"{' '.join(command[:3])} failed: {usage.errors}")
        return usage


class Row(NamedTuple):
    """A comparison: seconds, and peaks in bytes."""

    name: str
    first: float
    second: float
    ratio: float
    peaks: tuple[int, int]

    def cells(self) -> tuple[str, ...]:
        """As text."""
        peaks = (f"{peak / 1e6:.0f}" for peak in self.peaks)
        return (self.name, f"{self.first:.2f}", f"{self.second:.2f}", f"{self.ratio:.2f}", *peaks)


def exporting(bench: Bench, format_: str) -> Callable[[], Usage]:
    """The export of ``records`` into one file."""
    return lambda: bench.polyglot("export", "records", "-o", f"{bench.out}/records.{format_}")


def described(bench: Bench, format_: str) -> Callable[[], Usage]:
    """The same with a manifest, for which the file is hashed as those of a dump are."""
    file = f"{bench.out}/records.{format_}"
    return lambda: bench.polyglot("export", "records", "-o", file, "--manifest", f"{file}.json")


def comparisons(bench: Bench) -> list[Row]:
    """Everything that is compared."""
    out = str(bench.out)

    def run(*arguments: str) -> Callable[[], Usage]:
        return lambda: bench.polyglot(arguments[0], "-o", out, *arguments[1:])

    def copies(tables: list[str]) -> Callable[[], Usage]:
        return lambda: bench.copy(tables)

    rows = []
    for format_ in ("csv", "parquet"):
        records = ("dump", "-t", "records", "-f", format_)
        rows += [
            bench.compared(f"{format_}: export, dump", exporting(bench, format_), run(*records)),
            bench.compared(f"{format_}: export --manifest, dump", described(bench, format_), run(*records)),
            bench.compared(f"{format_}: dump, in parts", run(*records), run(*records, "--part-size", "64MiB")),
            bench.compared(f"{format_}: dump, folders for days", run(*records), run(*records, "--partition-by", DAYS)),
            bench.compared(f"{format_}: dump, fingerprints", run(*records), run(*records, "--fingerprints")),
        ]
    for count in SMALL_ROWS:
        tables = [f"small_{count}_{number:02}" for number in range(SMALL_TABLES)]
        name = f"{SMALL_TABLES} tables of {count:,} rows: psql, dump csv"
        rows.append(bench.compared(name, copies(tables), run("dump", "-t", f"small_{count}_*", "-f", "csv")))
    return rows


def stored(bench: Bench) -> list[Row]:
    """A dump into the folder, and one into a store that drops it."""
    places = itertools.count()
    rows = []
    with null_store() as env:
        for format_ in ("csv", "parquet"):
            dump = ("dump", "-t", "records", "-f", format_, "--part-size", "64MiB", "-o")

            def local(dump: tuple[str, ...] = dump) -> Usage:
                return bench.polyglot(*dump, str(bench.out))

            def away(dump: tuple[str, ...] = dump) -> Usage:
                return bench.polyglot(*dump, f"s3://null/{next(places)}/", env=env)

            rows.append(bench.compared(f"{format_}, in parts: folder, store", local, away))
    return rows


def beside(bench: Bench, rows: int) -> tuple[list[Row], dict[str, str]]:
    """The peers that can run here beside ours, and why the others cannot."""
    found, absent = [], {}
    for peer in set_peers():
        reason = peer.missing()
        if reason is not None:
            absent[peer.name] = reason
            continue

        def ours(peer: SetPeer = peer) -> Usage:
            return bench.polyglot("dump", "-t", "records", "-o", str(bench.out), "--workers", "2", *peer.ours)

        def theirs(peer: SetPeer = peer) -> Usage:
            return bench.peer(peer, rows)

        found.append(bench.compared(f"{peer.name}, ours", theirs, ours))
    return found, absent


def speeds(bench: Bench, pairs: int) -> list[tuple[str, ...]]:
    """How fast sets of one file and of several are verified."""
    rows: list[tuple[str, ...]] = []
    for format_ in ("csv", "parquet"):
        for name, parts in (("one file", []), ("parts", ["--part-size", "64MiB"])):
            bench.polyglot("dump", "-t", "records", "-f", format_, "-o", str(bench.out), *parts)
            runs = [bench.verify() for _ in range(pairs)]
            best = min(each.seconds for each in runs)
            peak = max(each.peak for each in runs)
            rows.append((f"{format_}, {name}", f"{best:.2f}", f"{bench.size() / best / 1e9:.2f}", f"{peak / 1e6:.0f}"))
    return rows


def fill(dsn: str, records: int) -> None:
    """``records``, and the small tables."""
    fill_records(dsn, records, lambda _: None)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for count in SMALL_ROWS:
            for number in range(SMALL_TABLES):
                rows = f"SELECT g AS id, md5(g::text) AS note, g * 1.25 AS value FROM generate_series(1, {count}) AS g"
                connection.execute(f"CREATE TABLE small_{count}_{number:02} AS {rows}".encode())
        connection.execute("VACUUM ANALYZE")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--peers", action="store_true", help="the tools that write sets of files too")
    given = parser.parse_args()
    with EmbeddedServer() as server, tempfile.TemporaryDirectory() as folder:
        fill(server.dsn(), given.rows)
        bench = Bench(server, Path(folder), given.pairs)
        compared = comparisons(bench) + stored(bench)
        absent: dict[str, str] = {}
        if given.peers:
            others, absent = beside(bench, given.rows)
            compared += others
        print(aligned(HEADS, [row.cells() for row in compared], right=(1, 2, 3, 4, 5)))
        print()
        for name, reason in absent.items():
            print(f"{name} is left out: {reason}", file=sys.stderr)
        print(aligned(("VERIFY", "s", "GB/s", "MB"), speeds(bench, given.pairs), right=(1, 2, 3)))


if __name__ == "__main__":
    main()
