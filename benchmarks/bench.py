"""``make bench``: ``polyglot bench`` with every other tool that is installed, another sample table, and a chart.

``python -m benchmarks.bench`` takes the options of ``polyglot bench`` and three of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmarks.chart import chart_svg
from benchmarks.peers.base import Peer
from benchmarks.peers.registry import all_peers
from benchmarks.samples import SAMPLES
from polyglot_export.cli.bench.run import exit_code, run
from polyglot_export.cli.bench.source import RECORDS
from polyglot_export.cli.commands.bench import bench_command, choices_of
from polyglot_export.cli.signals import Interrupted, die_by
from polyglot_export.errors import PolyglotError

__all__ = ["compare", "installed"]


def _compare(*, sample: str, peers: bool, chart: Path | None, **given: Any) -> None:
    others, unavailable = installed(all_peers()) if peers else ([], {})
    try:
        report = run(choices_of(**given), others=others, unavailable=unavailable, sample=SAMPLES[sample])
        if chart is not None:
            chart.write_text(chart_svg(report), encoding="utf-8")
    except PolyglotError as error:
        raise click.ClickException(error.message) from error
    raise click.exceptions.Exit(exit_code(report))


compare = click.Command(
    "bench",
    callback=_compare,
    help="Measure exports and other tools beside psql's own copy.",
    params=[
        *bench_command.params,
        click.Option(
            ["--table", "sample"],
            type=click.Choice(tuple(SAMPLES)),
            default=RECORDS.name,
            show_default=True,
            help="The sample: records, wide (30 columns), lineitem (TPC-H) or taxi (19 columns of New York's trips).",
        ),
        click.Option(["--peers"], is_flag=True, help="Measure every other tool that is installed as well."),
        click.Option(
            ["--chart"],
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Write a chart (SVG) as well.",
        ),
    ],
)


def installed(peers: tuple[Peer, ...]) -> tuple[list[Peer], dict[str, str]]:
    """The peers that can run here, and why the others cannot."""
    reasons = {peer: peer.missing() for peer in peers}
    unavailable = {peer.name: reason for peer, reason in reasons.items() if reason is not None}
    return [peer for peer, reason in reasons.items() if reason is None], unavailable


if __name__ == "__main__":
    try:
        compare()
    except Interrupted as interrupted:
        die_by(interrupted.number)
