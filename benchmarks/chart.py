"""The chart: a bar a tool, grouped by format, in SVG that is readable on a light and on a dark page."""

from __future__ import annotations

from html import escape
from typing import Final

from polyglot_export.cli.bench.cases import CASES
from polyglot_export.cli.bench.ours import Polyglot
from polyglot_export.cli.bench.results import Report, Result

__all__ = ["chart_svg"]

WIDTH: Final = 860
LEFT: Final = 230
"""Where the bars begin."""
SCALE: Final = 300
"""Pixels of the time of psql."""
LONGEST: Final = 520
"""A longer bar is cut, with a gap and its figure beside it: the slowest tool takes twenty times as long as psql."""
GAP: Final = 4
END: Final = 10
"""What follows the gap of a cut bar."""
BAR: Final = 15
STEP: Final = 20
HEAD: Final = 64
GROUP: Final = 30
"""The line with the name of a format."""

_STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-size: 16px; font-weight: 600 }
.group { font-weight: 600 }
.note { font-size: 12px; fill: #57606a }
.ours { fill: #0969da }
.peer { fill: #8c959f }
.wrong { fill: none; stroke: #cf222e; stroke-dasharray: 4 3 }
.psql { stroke: #bc4c00; stroke-width: 1.5; stroke-dasharray: 5 4 }
.label { fill: #bc4c00 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .note { fill: #9198a1 }
  .ours { fill: #4493f8 }
  .peer { fill: #6e7681 }
  .wrong { stroke: #f85149 }
  .psql { stroke: #f0883e }
  .label { fill: #f0883e }
}
"""


def chart_svg(report: Report) -> str:
    """The picture; tools that failed are left out, those whose file was wrong have an empty bar."""
    groups = {case: [result for result in report.results if result.case == case and result.runs] for case in CASES}
    parts: list[str] = []
    at = HEAD
    for case, results in groups.items():
        if not results:
            continue
        at += GROUP
        parts.append(_text(16, at - 9, case, "group"))
        # Ours on top, the others from the fastest to the slowest.
        for result in sorted(results, key=lambda each: (each.name != Polyglot.name, each.ratio or 0.0)):
            parts += _bar(result, at)
            at += STEP
    height = at + 40
    axis = LEFT + SCALE
    facts = report.facts
    title = f"Seconds relative to psql \\copy … csv, {facts['rows']:,} rows of {facts['table']}"
    note = (
        f"Shorter is faster. Medians of {facts['pairs']} pairs, {facts['workers']} workers, {facts['CPUs']} CPUs;"
        f" polyglot {facts['polyglot']} ({facts['commit'] or 'no commit'}), {facts['date']}."
    )
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
                f'height="{height}" role="img">'
            ),
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}</style>",
            _text(16, 26, title, "title"),
            _text(16, 46, note, "note"),
            f'<line class="psql" x1="{axis}" y1="{HEAD}" x2="{axis}" y2="{at + 6}"/>',
            *parts,
            _text(axis, at + 24, "psql \\copy csv = 1", "label", anchor="middle"),
            "</svg>",
            "",
        ]
    )


def _bar(result: Result, top: int) -> list[str]:
    ratio = result.ratio or 0.0
    length = min(ratio * SCALE, LONGEST)
    kind = "wrong" if result.problem else "ours" if result.name == Polyglot.name else "peer"
    figure = f"{ratio:.2f}{' (wrong)' if result.problem else ''}"
    pieces = [(0.0, length)] if length < LONGEST else [(0.0, LONGEST - GAP - END), (LONGEST - END, END)]
    return [
        _text(LEFT - 10, top + 12, result.name, anchor="end"),
        *(
            f'<rect class="{kind}" x="{LEFT + at:g}" y="{top}" width="{width:.1f}" height="{BAR}" rx="2"/>'
            for at, width in pieces
        ),
        _text(round(LEFT + length + 6), top + 12, figure, "group" if kind == "ours" else ""),
    ]


def _text(x: int, y: int, text: str, kind: str = "", *, anchor: str = "start") -> str:
    styled = f' class="{kind}"' if kind else ""
    placed = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text{styled}{placed} x="{x}" y="{y}">{escape(text)}</text>'
