"""The report of a load in Markdown."""

from __future__ import annotations

import json
from dataclasses import asdict

from benchmarks.load_figures import Figures, Load
from polyglot_export.text.tables import markdown

__all__ = ["document", "report"]

MB = 1 << 20


def report(load: Load, figures: Figures) -> str:
    """What the load was, and what came of it."""
    attacks = ", ".join(f"{name} {count}" for name, count in sorted(figures.attacks.items()))
    lines = [
        (
            "clients that came",
            f"{figures.arrived:,} in {load.seconds / 60:g} minutes, at most {figures.most_clients} at one time",
        ),
        *((f"downloads: {name}", f"{count:,}") for name, count in sorted(figures.outcomes.items()) if count),
        *((f"refused: {name}", f"{count:,}") for name, count in sorted(figures.refusals.items())),
        *((f"broken, the job says: {name}", f"{count:,}") for name, count in sorted(figures.failures.items())),
        ("backends killed", f"{figures.kills:,}"),
        (
            "attacks beside them",
            attacks or "none",
        ),
        ("`/health/live` after, median and 99 %", _seconds(figures.live_seconds)),
        ("bytes to clients", f"{figures.bytes / 1e9:.2f} GB, {figures.bytes / load.seconds / 1e6:.0f} MB/s"),
        ("first byte after, median and 95 %", _seconds(figures.first_seconds)),
        ("complete after (fast clients), median and 95 %", _seconds(figures.total_seconds)),
        ("peak of the group", f"{figures.group_peak / MB:.0f} MB of 256"),
        ("peak RSS", f"{figures.resident_peak / MB:.0f} MB"),
        ("RSS", ", ".join(f"{name} {size / MB:.0f} MB" for name, size in figures.resident.items())),
        ("processes killed by the kernel", str(figures.killed)),
        ("left at the end", ", ".join(f"{count} {name}" for name, count in figures.left.items())),
        ("wrong", "; ".join(f"{problem} ({count})" for problem, count in figures.problems.items()) or "nothing"),
    ]
    return markdown(("what", "how much"), lines)


def document(load: Load, figures: Figures) -> str:
    """The same as JSON; sizes in bytes, times in seconds."""
    # Not asdict() of the figures: it cannot copy a Counter.
    return json.dumps({"load": asdict(load), "figures": vars(figures)}, indent=1) + "\n"


def _seconds(pair: tuple[float, float]) -> str:
    return f"{pair[0]:.2f} s, {pair[1]:.2f} s"
