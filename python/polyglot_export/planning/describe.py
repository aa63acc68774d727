"""A plan for people: what ``polyglot explain`` prints."""

from __future__ import annotations

from collections.abc import Sequence

from polyglot_export.formats.registry import Format
from polyglot_export.limits import MIB, PAGE_BYTES
from polyglot_export.planning.plan import Plan, Scan
from polyglot_export.planning.reservation import reservation
from polyglot_export.text.sizes import size_text
from polyglot_export.text.tables import aligned

__all__ = ["plan_facts", "plan_text"]

MAX_SCANS = 20
"""Scans that are listed; a table may have thousands of partitions."""


def plan_text(plan: Plan, destination_bytes: int = 0) -> str:
    """Source, segments, columns, the SQL of the first segment and the reasons.

    Args:
        plan: What to show.
        destination_bytes: What the destination holds of the export.
    """
    record = Format(plan.encoder.format).record
    typed = record.columnar
    header = ("COLUMN", "TARGET", "TYPE", "READ AS", *((record.title.upper(),) if typed else ()))
    rows = [
        (column.source, column.target, column.sql_type, column.kind, *((column.parquet,) if typed else ()))
        for column in plan.columns
    ]
    lines = [
        *plan_facts(plan, destination_bytes),
        "",
        aligned(header, rows),
        "",
        "scans:",
        *_scans(plan.scans),
        "",
        "SQL of the first segment:",
        _first_sql(plan),
    ]
    return "\n".join(lines)


def plan_facts(plan: Plan, destination_bytes: int = 0, *further: tuple[str, str]) -> list[str]:
    """A line for each of source, format, estimates, workers, memory, and why the plan is as it is.

    Args:
        plan: What to show.
        destination_bytes: What the destination holds of the export.
        further: More lines, each a name and what is said.
    """
    facts = [
        ("source", plan.source),
        ("format", plan.encoder.format + (f", {plan.compression}" if plan.compression else "")),
        ("rows", "unknown" if plan.estimated_rows is None else f"about {plan.estimated_rows:,}"),
        ("to read", "unknown" if plan.pages is None else f"{size_text(plan.pages * PAGE_BYTES)} of pages"),
        ("segments", f"{plan.segments:,}"),
        ("workers", str(plan.limits.workers)),
        ("memory", f"at most {reservation(plan, destination_bytes) / MIB:.0f} MiB"),
        ("server", f"PostgreSQL {plan.server_version // 10000}.{plan.server_version % 10000}"),
        *further,
        *(("note", note) for note in plan.notes + plan.remarks),
    ]
    width = max(len(name) for name, _ in facts)
    return [f"{name.ljust(width)}  {value}" for name, value in facts]


def _scans(scans: Sequence[Scan]) -> list[str]:
    lines = [f"  {scan.relation}: {_segments(scan)}" for scan in scans[:MAX_SCANS]]
    if len(scans) > MAX_SCANS:
        lines.append(f"  … and {len(scans) - MAX_SCANS:,} more")
    return lines


def _segments(scan: Scan) -> str:
    if scan.pages is None:
        return "whole, 1 segment"
    return f"{scan.pages:,} pages in {scan.segments:,} segments of {scan.pages_per_segment:,}"


def _first_sql(plan: Plan) -> str:
    if not plan.scans:
        return "(none)"
    scan = plan.scans[0]
    if scan.pages is None:
        return scan.before + scan.after
    upper = (
        f" AND ctid OPERATOR(pg_catalog.<) '({scan.pages_per_segment},0)'::pg_catalog.tid" if scan.segments > 1 else ""
    )
    return f"{scan.before}ctid OPERATOR(pg_catalog.>=) '(0,0)'::pg_catalog.tid{upper}{scan.after}"
