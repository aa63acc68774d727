r"""The proof of the memory promise for dumps: ``polyglot dump`` and ``polyglot verify`` in a memory cgroup of 256 MB.

    python -m benchmarks.confined_dumps --rows 10000000 --page docs/proofs.md

One command after another, each in a group of its own with the database outside of it: a large table whole and in parts,
in several formats, into a folder, into folders for values, and into a store that drops what it is sent; a thousand
tables; rows of 1 MB; 1,600 columns. What is in a folder is verified against the database by ``polyglot verify
--against`` in such a group too.
Prints a Markdown table, and writes it into a page with ``--page``. Exit code 0 when all is right, 1 when something is
not, 3 where no group can be made.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.cgroup import fill_odd_tables
from benchmarks.memory_group import MemoryGroup, NoGroup
from benchmarks.object_store import null_store
from benchmarks.pages import write_into
from polyglot_export import _core
from polyglot_export.testing.postgres import EmbeddedServer
from polyglot_export.testing.records import fill_records
from polyglot_export.testing.usage import Usage, measure
from polyglot_export.text.tables import markdown

__all__ = ["Row", "Sizes", "main", "prove", "report"]

MB = 1 << 20
GROUP_BYTES = 256 * MB
PEAK_LIMIT = 200_000_000
"""What a dump may have resident, whatever it is of."""
EXIT_WRONG, EXIT_NO_GROUP = 1, 3
TIMEOUT_SECONDS = 1_800.0
HEADS = (
    "dump",
    "tables",
    "rows",
    "s",
    "rows/s",
    "peak of the group MB",
    "peak RSS MB",
    "verify s",
    "its RSS MB",
    "right",
)


@dataclass(frozen=True)
class Sizes:
    """How large the scenarios are.

    Attributes:
        rows: Of ``records``.
        tables: Small ones.
        large_rows: Rows of 1 MB.
        wide_rows: Rows of the table with 1,600 columns.
        keyed_rows: Rows of the table with a key of ten thousand values, in random order.
        part: Of the scenarios in parts, as ``--part-size`` takes it.
    """

    rows: int
    tables: int = 1_000
    large_rows: int = 300
    wide_rows: int = 20_000
    keyed_rows: int = 200_000
    part: str = "64MiB"


@dataclass(frozen=True)
class Case:
    """A dump.

    Attributes:
        name: In the report.
        arguments: What is dumped, and how.
        tables: How many tables it is of.
        rows: In all of them.
        stored: Whether it goes into the store.
    """

    name: str
    arguments: tuple[str, ...]
    tables: int
    rows: int
    stored: bool = False


@dataclass(frozen=True)
class Run:
    """A command that ran in a group.

    Attributes:
        seconds: From its start to its end.
        resident: The most that was resident, in bytes.
        group: The most that its group counted, in bytes.
        problem: Empty text if it is right.
    """

    seconds: float
    resident: int
    group: int
    problem: str


@dataclass(frozen=True)
class Row:
    """One line of the report: a dump, and its check where it is in a folder."""

    case: Case
    dump: Run
    check: Run | None

    @property
    def problem(self) -> str:
        """What is not right; empty text for nothing."""
        return "; ".join(run.problem for run in (self.dump, self.check) if run is not None and run.problem)


def cases(sizes: Sizes) -> tuple[Case, ...]:
    """All that is dumped."""

    def records(name: str, *arguments: str, stored: bool = False) -> Case:
        return Case(name, ("-t", "records", *arguments), 1, sizes.rows, stored)

    def keyed(format_: str, title: str) -> Case:
        arguments = ("-t", "keyed", "-f", format_, "--partition-by", "keyed:key")
        return Case(f"{title}, folders for 10,000 values in random order", arguments, 1, sizes.keyed_rows)

    parts = ("--part-size", sizes.part)
    return (
        records("csv", "-f", "csv"),
        records("json, zstd", "-f", "json", "--compression", "zstd"),
        records("xml", "-f", "xml"),
        records("Parquet", "-f", "parquet"),
        records("Parquet, in parts, fingerprints", "-f", "parquet", *parts, "--fingerprints"),
        records("Parquet, a folder a day", "-f", "parquet", "--partition-by", "records:created_at:day"),
        keyed("parquet", "Parquet"),
        keyed("csv", "csv"),
        records("csv into a store", "-f", "csv", stored=True),
        records("Parquet into a store, in parts", "-f", "parquet", *parts, stored=True),
        Case("many tables, Parquet", ("-n", "many", "-f", "parquet"), sizes.tables, sizes.tables * 50),
        Case("many tables, csv", ("-n", "many", "-f", "csv"), sizes.tables, sizes.tables * 50),
        Case("rows of 1 MB, csv", ("-t", "large_rows", "-f", "csv"), 1, sizes.large_rows),
        Case("rows of 1 MB, Parquet", ("-t", "large_rows", "-f", "parquet"), 1, sizes.large_rows),
        Case("1,600 columns, Parquet", ("-t", "wide", "-f", "parquet"), 1, sizes.wide_rows),
        Case(
            "all of it at one moment, Parquet",
            ("-f", "parquet", *parts),
            sizes.tables + 4,
            sizes.rows + sizes.tables * 50 + sizes.large_rows + sizes.wide_rows + sizes.keyed_rows,
        ),
    )


def prove(dsn: str, sizes: Sizes, say: Callable[[str], None]) -> list[Row]:
    """Run all of them.

    Args:
        dsn: An empty database.
        sizes: Of the tables.
        say: Told what is going on.

    Raises:
        NoGroup: No group can be made; nothing was filled then.
    """
    MemoryGroup.create(GROUP_BYTES).close()
    say(f"filling {sizes.rows:,} records and {sizes.tables:,} tables")
    _fill(dsn, sizes)
    rows = []
    with null_store() as store, tempfile.TemporaryDirectory(prefix="polyglot-dumps-") as folder:
        for number, case in enumerate(cases(sizes)):
            say(case.name)
            out = f"s3://null/{number}/" if case.stored else str(Path(folder) / "out")
            rows.append(_proved(case, dsn, out, store if case.stored else {}))
            shutil.rmtree(Path(folder) / "out", ignore_errors=True)
    return rows


def report(rows: Sequence[Row]) -> str:
    """The table in Markdown, with what it means."""
    lines = [
        (
            row.case.name,
            f"{row.case.tables:,}",
            f"{row.case.rows:,}",
            f"{row.dump.seconds:.1f}",
            f"{row.case.rows / row.dump.seconds:,.0f}",
            f"{row.dump.group / MB:.0f}",
            f"{row.dump.resident / MB:.0f}",
            f"{row.check.seconds:.1f}" if row.check else "–",
            f"{row.check.resident / MB:.0f}" if row.check else "–",
            "yes" if not row.problem else f"**NO**: {row.problem}",
        )
        for row in rows
    ]
    wrong = sum(bool(row.problem) for row in rows)
    verdict = "All are right." if not wrong else f"{wrong} of {len(rows)} are not right."
    notes = (
        f"Each command ran in a group of {GROUP_BYTES // MB} MB, which counts the page cache of the files too. Right "
        "means that it\n"
        f"ended well, with at most {PEAK_LIMIT // 1_000_000} MB (10^6) resident, and that `polyglot verify --against` "
        "found every row of a\n"
        f"folder, in the files and in the database. {verdict}"
    )
    return f"{markdown(HEADS, lines)}\n\n{notes}"


def _proved(case: Case, dsn: str, out: str, store: Mapping[str, str]) -> Row:
    dump = _confined(["dump", *case.arguments, "-o", out, "--dsn", dsn], store)
    if case.stored or dump.problem:
        return Row(case, dump, None)
    return Row(case, dump, _confined(["verify", out, "--against", dsn], {}))


def _confined(arguments: Sequence[str], environment: Mapping[str, str]) -> Run:
    program = str(Path(sys.executable).with_name("polyglot"))
    with MemoryGroup.create(GROUP_BYTES) as group:
        usage = measure(
            group.command([program, *arguments, "--quiet"]),
            env={**os.environ, **environment},
            timeout=TIMEOUT_SECONDS,
        )
        return Run(usage.seconds, usage.peak, group.usage().peak, _problem(arguments[0], usage))


def _problem(command: str, usage: Usage) -> str:
    if usage.exit_code != 0:
        told = usage.errors.strip().splitlines()
        return f"{command} ended with {usage.exit_code}: {told[-1][:200] if told else 'nothing said'}"
    if usage.peak > PEAK_LIMIT:
        return f"{command} had {usage.peak / 1e6:.0f} MB resident"
    return ""


def _fill(dsn: str, sizes: Sizes) -> None:
    fill_records(dsn, sizes.rows, lambda _: None)
    with psycopg.connect(dsn, autocommit=True) as connection:
        fill_odd_tables(connection, sizes.wide_rows, sizes.large_rows)
        columns = "g AS id, (hashint4(g::int) & 2147483647) % 10000 AS key, repeat(md5(g::text), 4) AS text"
        rows = f"SELECT {columns} FROM generate_series(1, {sizes.keyed_rows}) AS g"
        connection.execute(f"CREATE TABLE keyed AS {rows}".encode())
        connection.execute("CREATE SCHEMA many")
        for number in range(sizes.tables):
            rows = "SELECT g AS id, 'text ' || g AS text, now() AS at FROM generate_series(1, 50) AS g"
            connection.execute(f"CREATE TABLE many.t{number:04} AS {rows}".encode())
        connection.execute("VACUUM (ANALYZE)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove and print."""
    options = _options(arguments)
    if _core.build_profile != "release":
        print(f"the core is a {_core.build_profile} build; make install makes a release build", file=sys.stderr)
        return 2
    try:
        with EmbeddedServer() as server:
            rows = prove(server.dsn(), Sizes(options.rows), lambda text: print(text, file=sys.stderr, flush=True))
    except NoGroup as error:
        print(error, file=sys.stderr)
        return EXIT_NO_GROUP
    text = report(rows)
    print(text)
    if options.page is not None:
        write_into(options.page, "dumps", text)
    return EXIT_WRONG if any(row.problem for row in rows) else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the large table (default 1000000)")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the table between the marks of this page")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    # Who ends the command by a signal must not leave the store and its group behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    raise SystemExit(main())
