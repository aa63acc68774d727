"""The report for people: Markdown tables and what their columns mean."""

from __future__ import annotations

from collections.abc import Sequence

from polyglot_export.cli.bench.cases import CASES
from polyglot_export.cli.bench.ours import Polyglot
from polyglot_export.cli.bench.results import Report, Result
from polyglot_export.cli.bench.watch import Latency, Seen
from polyglot_export.text.tables import markdown

__all__ = ["beside_table", "facts_line", "meaning", "report_text", "speed_table", "versions_line"]

SPEED = (
    "format", "tool", "seconds", "to psql", "to limit", "to ours", "rows/s", "MB/s", "CPU s", "server CPU s",
    "peak RSS MB", "size MB", "compression", "rows",
)  # fmt: skip
BESIDE = (
    "format", "tool", "transaction s", "statement s", "connections", "temporary MB", "probe ms", "p99", "greatest",
)  # fmt: skip
SPEED_MEANING = (
    "To psql: the median over pairs of the time by that of psql \\copy (csv, to {place}) just before. To limit: by the "
    "time in which the server sends the same rows as binary COPY to as many connections as we have workers, which drop "
    "them. To ours: by that of polyglot in the same round. MB are 10^6 bytes of the file."
)
BESIDE_MEANING = (
    "Transaction and statement: the longest that was seen on the server while the file was written that is read back. "
    "Probe: a row read by its key every 5 ms meanwhile, in ms from the moment at which it was due: median, 99th "
    "percentile, greatest."
)


def report_text(report: Report) -> str:
    """Both tables, a line about the machine, and the tools that could not run."""
    beside = beside_table(report)
    parts = [
        speed_table(report),
        *([beside] if beside else []),
        facts_line(report),
        versions_line(report),
        *meaning(report),
        *(f"Not available: {name}: {reason}." for name, reason in report.unavailable.items()),
    ]
    return "\n\n".join(parts)


def facts_line(report: Report) -> str:
    """The machine, the table, the build."""
    return ", ".join(f"{name} {value}" for name, value in report.facts.items())


def versions_line(report: Report) -> str:
    """PostgreSQL and the tools."""
    return ", ".join(f"{name} {version}" for name, version in report.versions.items())


def meaning(report: Report) -> list[str]:
    """What the columns are."""
    place = "a file on disk, fsync included" if report.facts.get("target") == "disk" else "/dev/null"
    said = [SPEED_MEANING.format(place=place)]
    if beside_table(report):
        said.append(BESIDE_MEANING)
    return said


def speed_table(report: Report) -> str:
    """A row for each tool in each form."""
    ours = {result.case: result for result in report.results if result.name == Polyglot.name}
    rows = [_speed(result, report.plain, ours.get(result.case)) for result in report.results]
    return markdown(SPEED, rows)


def beside_table(report: Report) -> str:
    """What others saw; empty where nobody looked."""
    quiet = [] if report.quiet is None else [_beside("", "nothing", report.quiet)]
    rows = [_beside(result.case, result.name, result.seen) for result in report.results if result.seen is not None]
    return markdown(BESIDE, [*quiet, *rows]) if rows else ""


def _speed(result: Result, plain: int | None, ours: Result | None) -> tuple[str, ...]:
    seconds = result.median(lambda run: run.seconds)
    compressed = CASES[result.case].compressed and plain and result.size
    return (
        result.case,
        result.name,
        _number(seconds, ".2f"),
        _number(result.ratio, ".2f"),
        _number(result.to_limit, ".2f"),
        _number(None if ours is None else ours.beside(result), ".2f"),
        _number(result.rows / seconds if seconds else None, ",.0f"),
        _number(result.size / seconds / 1e6 if seconds and result.size else None, ",.0f"),
        _number(result.median(lambda run: run.cpu), ".2f"),
        _number(result.median(lambda run: run.server_cpu), ".2f"),
        _number(max((run.peak for run in result.runs), default=0) / 1e6 or None, ".0f"),
        _number(result.size / 1e6 or None, ",.1f"),
        _number(plain / result.size if compressed and plain else None, ".2f"),
        f"WRONG: {result.problem}" if result.problem else "all" if result.size else "not read back",
    )


def _beside(case: str, name: str, seen: Seen) -> tuple[str, ...]:
    return (
        case,
        name,
        _number(seen.transaction, ".2f"),
        _number(seen.statement, ".2f"),
        str(seen.connections),
        _number(seen.temporary / 1e6, ",.1f"),
        *_latency(seen.latency),
    )


def _latency(latency: Latency | None) -> Sequence[str]:
    if latency is None:
        return ("", "", "")
    return tuple(_number(value * 1000, ".2f") for value in (latency.median, latency.p99, latency.greatest))


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
