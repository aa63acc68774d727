"""The part of docs/benchmarks.md that ``make bench`` writes."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.losses import Losses, losses_table
from polyglot_export.cli.bench.ours import Polyglot
from polyglot_export.cli.bench.report import BESIDE_MEANING, SPEED_MEANING, beside_table, versions_line
from polyglot_export.cli.bench.results import Report, Result
from polyglot_export.text.tables import markdown

__all__ = ["Measured", "page"]

COLUMNS = 120
HEADS = (
    "format", "tool", "s", "to psql", "to limit", "to ours", "CPU s", "server CPU s", "peak MB", "size MB", "",
)  # fmt: skip
SPREAD_MEANING = (
    "Each figure is a median, with the least and the greatest behind it; a tool that takes five times as long as psql "
    "runs once. Peak MB is the largest resident set of the client."
)
LOSSES_MEANING = (
    "Each tool writes a small `records` into each of its formats, which is read back and compared with the server, "
    "value by value: numbers as numbers, times as moments, documents as documents. For each column the first "
    "difference is shown. A workbook is left out, since its cells have no types of PostgreSQL, and so are our "
    "documents in XML, which are elements there."
)


@dataclass(frozen=True)
class Measured:
    """A part of the suite with its report."""

    name: str
    report: Report


def page(parts: Sequence[Measured], unavailable: dict[str, str], losses: Losses) -> str:
    """Everything, in Markdown."""
    first = parts[0].report
    facts = first.facts
    pieces = [
        (
            f"Measured on {facts['date']} with polyglot {facts['polyglot']} (commit {facts['commit']}), "
            f"{facts['workers']} workers on {facts['CPUs']} CPUs ({facts['machine']}), {facts['pairs']} pairs; load "
            f"before the end {facts['load']}. {_versions(parts)}."
        ),
        SPEED_MEANING.format(place="the same place"),
        SPREAD_MEANING,
    ]
    for part in parts:
        pieces += [f"### {part.name}", f"{part.report.facts['rows']:,} rows.", _speeds(part.report)]
    beside = beside_table(first)
    if beside:
        pieces += [f"### What others on the server feel: {parts[0].name}", BESIDE_MEANING, beside]
    pieces += ["### What becomes of the values", LOSSES_MEANING, losses_table(losses)]
    if unavailable:
        pieces += ["### Left out", "\n".join(_wrapped(f"- {name}: {reason}") for name, reason in unavailable.items())]
    return "\n\n".join(piece if piece.startswith(("|", "#", "-")) else _wrapped(piece) for piece in pieces)


def _wrapped(text: str) -> str:
    """As wide as the pages are."""
    indent = "  " if text.startswith("- ") else ""
    return textwrap.fill(text, COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _versions(parts: Sequence[Measured]) -> str:
    versions: dict[str, str] = {}
    for part in parts:
        versions |= part.report.versions
    return versions_line(Report({}, (), {}, versions, None))


def _speeds(report: Report) -> str:
    ours = {result.case: result for result in report.results if result.name == Polyglot.name}
    return markdown(HEADS, [_cells(result, ours.get(result.case)) for result in report.results])


def _cells(result: Result, ours: Result | None) -> tuple[str, ...]:
    peak = max((run.peak for run in result.runs), default=0)
    to_ours = None if ours is None or ours is result else ours.beside(result)
    return (
        result.case,
        result.name,
        _spread([run.seconds for run in result.runs]),
        _spread([run.seconds / run.floor for run in result.runs]),
        _spread([run.seconds / run.limit for run in result.runs if run.limit]),
        "" if to_ours is None else f"{to_ours:.2f}",
        _spread([run.cpu for run in result.runs], around=False),
        _spread([run.server_cpu for run in result.runs if run.server_cpu is not None], around=False),
        f"{peak / 1e6:.0f}" if peak else "",
        f"{result.size / 1e6:,.1f}" if result.size else "",
        f"wrong: {_line(result.problem)}" if result.problem else "",
    )


def _line(text: str) -> str:
    return text.strip().splitlines()[-1].replace("|", "\\|")


def _spread(values: Sequence[float], *, around: bool = True) -> str:
    if not values:
        return ""
    median = f"{statistics.median(values):.2f}"
    return f"{median} ({min(values):.2f}–{max(values):.2f})" if around and len(values) > 1 else median
