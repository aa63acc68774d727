"""The table of the attacks."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.hostile.run import LOG_LIMIT, PROBE_LIMIT, Result
from benchmarks.hostile.stage import GROUP_BYTES
from polyglot_export.text.tables import markdown

__all__ = ["report"]

MB = 1 << 20
HEADS = (
    "row",
    "who",
    "attack",
    "s",
    "what the attacker saw",
    "`/health/live` median, 99 % ms",
    "honest exports",
    "their 503",
    "slowest s",
    "peak of the group MB",
    "log kB",
    "right",
)


def report(results: Sequence[Result]) -> str:
    """The table in Markdown, with what it means."""
    lines = [
        (
            str(result.attack.row) if result.attack.row else "–",
            result.attack.who,
            result.attack.what,
            f"{result.seconds:.0f}",
            ", ".join(f"{name} {count:,}" for name, count in result.facts.items()) or "–",
            f"{result.median() * 1e3:.0f}, {result.late() * 1e3:,.0f}",
            str(result.seen.right),
            str(result.seen.refused),
            f"{result.seen.slowest:.1f}",
            f"{result.peak / MB:.0f}",
            f"{result.logged / 1024:,.0f}",
            "yes" if not result.problems else f"**NO**: {'; '.join(result.problems)}",
        )
        for result in results
    ]
    wrong = sum(bool(result.problems) for result in results)
    verdict = "All are right." if not wrong else f"{wrong} of {len(results)} are not right."
    notes = (
        f"Each attack had a service of its own in a group of {GROUP_BYTES // MB} MB. Right means that the process "
        "lived,\n"
        f"that 99 of 100 probes of `/health/live` were answered within {PROBE_LIMIT:g} s, each on a connection of its "
        "own, that\n"
        "every export of the honest clients was the server's own answer byte for byte and its job says so, also those "
        "made\n"
        f"before the attack, and that the log grew by no more than {LOG_LIMIT // MB} MB. {verdict}"
    )
    return f"{markdown(HEADS, lines)}\n\n{notes}"
