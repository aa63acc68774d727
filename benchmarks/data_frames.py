"""Seconds and memory to a frame of polars: ``python -m benchmarks.data_frames``.

Each tool reads a table into a frame in a process of its own, the tools in turn, and as often as asked for; a tool that
is not installed is left out and named. The time is that of the reading, without Python's start and imports; the memory
is the largest resident set of the process, the frame included. That the frame has all rows, and that its first column
adds up to what the server says, is checked in each run.

The table goes into ``docs/benchmarks.md`` with ``--write``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from benchmarks.pages import write_into
from benchmarks.peers.base import missing_modules
from benchmarks.peers.programs.duckdb import load_all, load_statement
from benchmarks.wide import WIDE
from polyglot_export.cli.bench.source import RECORDS, Sample
from polyglot_export.testing.postgres import EmbeddedServer
from polyglot_export.testing.usage import measure
from polyglot_export.text.tables import markdown

__all__ = ["TOOLS", "Tool", "compared", "main"]

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
SAMPLES: dict[str, Sample] = {sample.name: sample for sample in (RECORDS, WIDE)}
HEADS = ("tool", "s", "beside ours", "CPU s", "peak MB")


def _ours(uri: str, table: str) -> Any:
    import polars as pl

    from polyglot_export import export_arrow

    return pl.DataFrame(export_arrow(uri, table))


def _adbc(uri: str, table: str) -> Any:
    import polars as pl

    return pl.read_database_uri(f"SELECT * FROM {table}", uri, engine="adbc")


def _connectorx(uri: str, table: str) -> Any:
    import polars as pl

    return pl.read_database_uri(f"SELECT * FROM {table}", uri, engine="connectorx")


def _connectorx_parallel(uri: str, table: str) -> Any:
    """By ranges of a column of whole numbers, which has to be named; each is a snapshot of its own."""
    import polars as pl

    column = "id" if table == RECORDS.name else "b0"
    query = f"SELECT * FROM {table}"
    return pl.read_database_uri(query, uri, engine="connectorx", partition_on=column, partition_num=2)


def _batches(uri: str, table: str) -> Any:
    """ADBC's record batches, which are no frame of polars yet."""
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        return cursor.fetch_arrow_table()


def _duckdb(uri: str, table: str) -> Any:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(load_statement())
        connection.execute(f"ATTACH '{uri}' AS pg (TYPE postgres, READ_ONLY)")
        return connection.sql(f"SELECT * FROM pg.{table}").pl()


class Tool(NamedTuple):
    """How a tool reads a table, what it imports for that, and why it cannot here, if so."""

    read: Callable[[str, str], Any]
    modules: tuple[str, ...]

    def missing(self) -> str | None:
        """DuckDB's extension is a download, unless a package has it."""
        absent = missing_modules(*(name.partition(".")[0] for name in self.modules))
        if absent is not None or "duckdb" not in self.modules:
            return absent
        import duckdb

        try:
            load_all()
        except duckdb.Error as error:
            return f"DuckDB {duckdb.__version__} lacks an extension here ({str(error).splitlines()[0]})"
        return None


TOOLS: dict[str, Tool] = {
    "polars.DataFrame(export_arrow(…))": Tool(_ours, ("polars", "polyglot_export.public")),
    "polars.read_database_uri, ADBC": Tool(_adbc, ("polars", "pyarrow", "adbc_driver_postgresql.dbapi")),
    "polars.read_database_uri, ConnectorX": Tool(_connectorx, ("polars", "connectorx")),
    "the same, two partitions": Tool(_connectorx_parallel, ("polars", "connectorx")),
    "ADBC's fetch_arrow_table()": Tool(_batches, ("pyarrow", "adbc_driver_postgresql.dbapi")),
    "DuckDB's postgres extension, .pl()": Tool(_duckdb, ("polars", "pyarrow", "duckdb")),
}


class Run(NamedTuple):
    """One reading."""

    seconds: float
    cpu: float
    peak: int


def run(tool: str, uri: str, table: str, expected: tuple[int, int]) -> Run:
    """Read the table once, in a process of its own.

    Raises:
        SystemExit: The tool failed, or the frame has other rows than the table.
    """
    command = [sys.executable, "-m", "benchmarks.data_frames", "--read", tool, uri, table]
    with tempfile.TemporaryFile() as output:
        usage = measure(command, env=dict(os.environ), stdout=output)
        output.seek(0)
        told = output.read()
    if usage.exit_code != 0:
        raise SystemExit(f"{tool} failed: {usage.errors}")
    found = json.loads(told)
    if (found["rows"], found["sum"]) != expected:
        raise SystemExit(f"{tool} has {found['rows']:,} rows, first column {found['sum']}; must be {expected}")
    return Run(found["seconds"], found["cpu"], usage.peak)


def _read(tool: str, uri: str, table: str) -> None:
    """What the process does. What the tool imports is imported before, and nothing else."""
    for module in TOOLS[tool].modules:
        import_module(module)
    before, started = os.times(), time.perf_counter()
    frame = TOOLS[tool].read(uri, table)
    seconds, after = time.perf_counter() - started, os.times()
    first = next(iter(frame))
    if not hasattr(first, "sum"):
        import pyarrow.compute

        total = pyarrow.compute.sum(first).as_py()
    else:
        total = first.sum()
    cpu = after.user + after.system - before.user - before.system
    print(json.dumps({"seconds": seconds, "cpu": cpu, "rows": len(first), "sum": int(total)}))


def compared(uri: str, table: str, tools: Sequence[str], rounds: int) -> Mapping[str, list[Run]]:
    """Each tool in turn, as often as there are rounds."""
    with psycopg.connect(uri) as conn:
        cursor = conn.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(sql.Identifier(table)))
        first = (cursor.description or [])[0].name
        row = conn.execute(
            sql.SQL("SELECT count(*), sum({}) FROM {}").format(sql.Identifier(first), sql.Identifier(table))
        ).fetchone()
    assert row is not None
    expected = (int(row[0]), int(row[1]))
    runs: dict[str, list[Run]] = {tool: [] for tool in tools}
    for _ in range(rounds):
        for tool in tools:
            runs[tool].append(run(tool, uri, table, expected))
    return runs


def _rows(runs: Mapping[str, list[Run]]) -> list[tuple[str, ...]]:
    ours = next(iter(runs.values()))
    rows: list[tuple[str, ...]] = []
    for tool, each in runs.items():
        # Of each round, since the machine may be busier in one than in another.
        ratio = statistics.median(theirs.seconds / our.seconds for our, theirs in zip(ours, each, strict=True))
        times = [f"{statistics.median(getattr(one, name) for one in each):.2f}" for name in ("seconds", "cpu")]
        rows.append((tool, times[0], f"{ratio:.2f}", times[1], f"{max(one.peak for one in each) / 1e6:,.0f}"))
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    parser.add_argument("--read", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read is not None:
        _read(*given.read)
        return
    tools = []
    for name, tool in TOOLS.items():
        if (absent := tool.missing()) is None:
            tools.append(name)
        else:
            print(f"{name} is left out: {absent}", file=sys.stderr)
    parts = []
    with EmbeddedServer() as server:
        for sample in SAMPLES.values():
            sample.fill(server.dsn(), given.rows, lambda _: None)
            rows = _rows(compared(server.dsn(), sample.name, tools, given.rounds))
            parts.append(f"`{sample.name}`, {given.rows:,} rows:\n\n{markdown(HEADS, rows)}")
            print(parts[-1])
    if given.write:
        write_into(PAGE, "data frames", "\n\n".join(parts), by="python -m benchmarks.data_frames --write")


if __name__ == "__main__":
    main()
