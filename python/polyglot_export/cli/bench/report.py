"""The report for people: a Markdown table and what its columns mean."""

from __future__ import annotations

from polyglot_export.cli.bench.cases import CASES
from polyglot_export.cli.bench.results import Report, Result
from polyglot_export.text.tables import markdown

__all__ = ["report_text"]

HEADS = (
    "format",
    "tool",
    "seconds",
    "to psql",
    "rows/s",
    "MB/s",
    "CPU s",
    "server CPU s",
    "peak RSS MB",
    "size MB",
    "compression",
    "rows",
)


def report_text(report: Report) -> str:
    """The table, a line about the machine, and the tools that could not run."""
    table = markdown(HEADS, [_cells(result, report.plain) for result in report.results])
    facts = ", ".join(f"{name} {value}" for name, value in report.facts.items())
    notes = [
        facts,
        ", ".join(f"{name} {version}" for name, version in report.versions.items()),
        (
            "To psql: the median over pairs of the time by that of psql \\copy (csv, to /dev/null) just before. MB are "
            "10^6 bytes of the file."
        ),
        *(f"Not available: {name}: {reason}." for name, reason in report.unavailable.items()),
    ]
    return table + "\n\n" + "\n\n".join(notes)


def _cells(result: Result, plain: int | None) -> tuple[str, ...]:
    seconds = result.median(lambda run: run.seconds)
    compressed = CASES[result.case].compressed and plain and result.size
    return (
        result.case,
        result.name,
        _number(seconds, ".2f"),
        _number(result.ratio, ".2f"),
        _number(result.rows / seconds if seconds else None, ",.0f"),
        _number(result.size / seconds / 1e6 if seconds and result.size else None, ",.0f"),
        _number(result.median(lambda run: run.cpu), ".2f"),
        _number(result.median(lambda run: run.server_cpu), ".2f"),
        _number(max((run.peak for run in result.runs), default=0) / 1e6 or None, ".0f"),
        _number(result.size / 1e6 or None, ",.1f"),
        _number(plain / result.size if compressed and plain else None, ".2f"),
        f"WRONG: {result.problem}" if result.problem else "all" if result.size else "not read back",
    )


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
