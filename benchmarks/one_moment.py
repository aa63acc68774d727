"""Whether sets of files are of one moment: ``python -m benchmarks.one_moment``.

For a minute, amounts move between the rows of a table, or of two, whose sum never changes. Meanwhile they are written
into Parquet files again and again, by ``polyglot dump`` and by each tool that reads in parallel and is installed, in
turn. Prints how far the sums in the files are off.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.peers.base import found_program, missing_programs
from benchmarks.transfers import BOTH, ROWS, make_bank, transfers
from polyglot_export.testing.postgres import EmbeddedServer
from polyglot_export.testing.usage import measure
from polyglot_export.text.tables import aligned

__all__ = ["Found", "main", "tried"]

AMOUNT = 1_000
"""Of each row, in the mean."""
HEADS = ("TOOL", "TABLES", "RUNS", "RIGHT", "SUMS ARE OFF BY", "ROWS ARE OFF BY")
SHOWN = 8


class Found(NamedTuple):
    """What was in the files of one run: rows, and the sum of their amounts."""

    rows: int
    amount: int


def ours(dsn: str, tables: tuple[str, ...], folder: Path) -> list[str]:
    """A dump with two workers."""
    program = str(Path(sys.executable).with_name("polyglot"))
    named = [word for table in tables for word in ("-t", table)]
    return [program, "dump", "--dsn", dsn, *named, "-o", str(folder), "-w", "2", "--part-size", "8MiB", "--quiet"]


def rivet(dsn: str, tables: tuple[str, ...], folder: Path) -> list[str]:
    """Its chunked mode with two readers."""
    exports = [
        {
            "name": table,
            "table": f"public.{table}",
            "mode": "chunked",
            "chunk_column": "id",
            "chunk_size": ROWS // 8,
            "parallel": 2,
            "format": "parquet",
            "destination": {"type": "local", "path": str(folder / table)},
        }
        for table in tables
    ]
    config = folder.with_name("rivet.yaml")
    source = {"type": "postgres", "url": dsn, "environment": "local"}
    config.write_text(json.dumps({"source": source, "exports": exports}))
    return [found_program("rivet") or "rivet", "run", "--config", str(config)]


TOOLS = {"polyglot dump": ours, "rivet, chunked": rivet}


def tried(dsn: str, tool: str, tables: tuple[str, ...], seconds: float, scratch: Path) -> list[Found]:
    """Write the tables again and again while amounts move; gives what was found each time.

    Raises:
        SystemExit: The tool failed.
    """
    found: list[Found] = []
    with transfers(dsn, tables if len(tables) > 1 else tables * 2):
        ends = time.monotonic() + seconds
        while time.monotonic() < ends or not found:
            folder = scratch / "out"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            usage = measure(TOOLS[tool](dsn, tables, folder), env=dict(os.environ))
            if usage.exit_code != 0:
                raise SystemExit(f"{tool} failed: {usage.errors}")
            found.append(_found(folder))
    return found


def _found(folder: Path) -> Found:
    import pyarrow.compute
    import pyarrow.dataset

    files = [str(path) for path in folder.rglob("*.parquet")]
    amounts = pyarrow.dataset.dataset(files).to_table(columns=["amount"])["amount"]
    return Found(len(amounts), pyarrow.compute.sum(amounts).as_py())


def _row(tool: str, tables: tuple[str, ...], found: list[Found]) -> tuple[str, ...]:
    rows = ROWS * len(tables)
    off = [each.amount - rows * AMOUNT for each in found]
    right = sum(each == Found(rows, rows * AMOUNT) for each in found)
    told = ", ".join(f"{each:+,}" for each in off[:SHOWN] if each) + (" …" if len(off) > SHOWN and any(off) else "")
    lost = ", ".join(f"{each.rows - rows:+,}" for each in found[:SHOWN] if each.rows != rows)
    return (tool, " and ".join(tables), str(len(found)), str(right), told or "–", lost or "–")


def main() -> None:
    """Try and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each tool and choice of tables (default 60)")
    given = parser.parse_args()
    tools = list(TOOLS)
    absent = missing_programs("rivet")
    if absent is not None:
        tools.remove("rivet, chunked")
        print(f"rivet is left out: {absent}", file=sys.stderr)
    with EmbeddedServer() as server, tempfile.TemporaryDirectory() as folder:
        make_bank(server.dsn())
        rows = [
            _row(tool, tables, tried(server.dsn(), tool, tables, given.seconds, Path(folder)))
            for tables in (BOTH[:1], BOTH)
            for tool in tools
        ]
    print(aligned(HEADS, rows, right=(2, 3)))


if __name__ == "__main__":
    main()
