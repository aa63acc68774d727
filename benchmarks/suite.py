"""``make bench``: every peer, on several tables, to /dev/null and to disk, with what others on the server feel of it,
and what becomes of the values; into docs/benchmarks.md, .json and .svg.

    python -m benchmarks.suite --rows 300000 --pairs 3 --write

At the default size it takes less than twenty minutes on two cores with nothing else to do; 1,000,000 rows take
about three times as long.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.bench import installed
from benchmarks.chart import chart_svg
from benchmarks.losses import Losses, losses_table, measured_losses
from benchmarks.pages import write_into
from benchmarks.peers.base import Peer
from benchmarks.peers.registry import all_peers
from benchmarks.samples import SAMPLES
from benchmarks.suite_page import Measured, page
from polyglot_export.cli.bench.cases import CASES
from polyglot_export.cli.bench.run import Choices, exit_code, run
from polyglot_export.cli.signals import Interrupted, die_by

__all__ = ["PARTS", "Part", "main", "measured"]

DOCS: Final = Path(__file__).parents[1] / "docs"
LOSSES_ROWS: Final = 20_000
SHEET_ROWS: Final = 100_000
"""Of a workbook: some tools take seconds for so many."""


@dataclass(frozen=True)
class Part:
    """One table in one place.

    Attributes:
        name: The heading.
        sample: A name of ``SAMPLES``.
        cases: The forms.
        disk: Whether the measured files are on the disk before their time is over.
        most: Rows at most; ``None`` for as many as were asked for.
        peers: Their names; ``None`` for all.
    """

    name: str
    sample: str
    cases: tuple[str, ...]
    disk: bool = False
    most: int | None = None
    peers: tuple[str, ...] | None = None


FAST: Final = (
    "DuckDB", "DuckDB, unordered", "DuckDB 2, unordered", "ClickHouse (chdb)", "ADBC + pyarrow", "polars (ADBC)",
    "rivet", "asyncpg COPY", "psql row_to_json",
)  # fmt: skip
"""The peers that come near to us or to psql in one of the forms of ``records``."""
PARTS: Final = (
    Part("records, to /dev/null", "records", tuple(name for name in CASES if name != "xlsx")),
    Part("records, to disk", "records", ("csv", "json", "xml", "parquet"), disk=True, peers=FAST),
    Part("records as a workbook", "records", ("xlsx",), most=SHEET_ROWS),
    Part("lineitem of TPC-H, to /dev/null", "lineitem", ("csv", "parquet"), peers=FAST),
    Part("taxi trips, to /dev/null", "taxi", ("csv", "parquet"), peers=FAST),
)


def measured(part: Part, peers: Sequence[Peer], rows: int, pairs: int, disk: Path) -> Measured:
    """Measure one part.

    Args:
        part: Which.
        peers: Those that are installed.
        rows: Of its table.
        pairs: How often each tool runs.
        disk: The folder for files of measured runs, where the part wants them.
    """
    wanted = [peer for peer in peers if part.peers is None or peer.name in part.peers]
    choices = Choices(
        cases=tuple(CASES[name] for name in part.cases),
        pairs=pairs,
        rows=rows if part.most is None else min(rows, part.most),
        disk=disk if part.disk else None,
    )
    print(f"\n{part.name}: {choices.rows:,} rows", flush=True)
    return Measured(part.name, run(choices, others=wanted, sample=SAMPLES[part.sample]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure everything; 1 when a file of ours was wrong."""
    given = _options(arguments)
    peers, unavailable = installed(all_peers())
    chosen = [part for part in PARTS if given.parts is None or part.name in given.parts.split(";")]
    with tempfile.TemporaryDirectory(prefix="polyglot-bench-", dir=given.folder) as folder:
        parts = [measured(part, peers, given.rows, given.pairs, Path(folder)) for part in chosen]
    losses = measured_losses(SAMPLES["records"], min(given.rows, LOSSES_ROWS), peers, tuple(CASES.values()))
    print("\n" + losses_table(losses))
    if given.write is not None:
        write(given.write, parts, unavailable, losses)
    return max((exit_code(part.report) for part in parts), default=0)


def write(docs: Path, parts: Sequence[Measured], unavailable: dict[str, str], losses: Losses) -> None:
    """The page between its marks, the figures and the picture.

    Args:
        docs: The folder of all three.
        parts: At least one; the picture is of the first.
        unavailable: Peers that could not run, and why.
        losses: What becomes of the values.
    """
    compressed = [name for name, case in CASES.items() if case.compressed]
    figures: dict[str, Any] = {
        "parts": [{"name": part.name, **part.report.members(compressed)} for part in parts],
        "unavailable": unavailable,
        "losses": [{"case": case, "name": tool, "losses": found} for (case, tool), found in losses.items()],
    }
    (docs / "benchmarks.json").write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (docs / "benchmarks.svg").write_text(chart_svg(parts[0].report), encoding="utf-8")
    write_into(docs / "benchmarks.md", "bench", page(parts, unavailable, losses), by="make bench")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000, help="of each table (300000)")
    parser.add_argument("--pairs", type=int, default=3, help="runs of each tool in each form (3)")
    parser.add_argument(
        "--parts", metavar="NAMES", help=f"some only, with semicolons: {'; '.join(p.name for p in PARTS)}"
    )
    parser.add_argument("--folder", type=Path, help="where files are written that are to be on disk; default: TMPDIR")
    parser.add_argument(
        "--write",
        type=Path,
        nargs="?",
        const=DOCS,
        metavar="FOLDER",
        help="write benchmarks.md, .json and .svg (into docs/)",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except Interrupted as interrupted:
        die_by(interrupted.number)
