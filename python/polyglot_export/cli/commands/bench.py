"""``polyglot bench``: exports beside psql's own copy, and beside other tools."""

from __future__ import annotations

from pathlib import Path

import click

from polyglot_export.cli.extras import missing_extra
from polyglot_export.cli.options import database, debug_option, dsn_option
from polyglot_export.errors import SpecError

__all__ = ["HELP_POSITION", "bench_command"]

HELP_POSITION = 7

SAMPLES = ("records", "wide")
"""``bench.source.SAMPLES``, written out so that help need not import it; a test compares them."""

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("bench")
@click.argument(
    "source",
    metavar="[SOURCE]",
    required=False,
    help="A table at --dsn. Default: a sample table on a server that is started.",
)
@dsn_option
@click.option(
    "--table",
    "sample",
    type=click.Choice(SAMPLES),
    default="records",
    show_default=True,
    help="The sample: records, or wide with 30 columns.",
)
@click.option(
    "--rows",
    "-n",
    type=click.IntRange(min=1),
    metavar="N",
    default=2_000_000,
    show_default=True,
    help="Rows of the sample table.",
)
@click.option("--formats", metavar="LIST", help="As csv,json,parquet-zstd,csv.gz. Default: all.")
@click.option(
    "--pairs",
    type=click.IntRange(min=1),
    metavar="N",
    default=3,
    show_default=True,
    help="Runs of each tool; medians are shown.",
)
@click.option(
    "--workers", "-w", type=click.IntRange(min=1), metavar="N", help="Of our exports. Default: one a CPU, at most 4."
)
@click.option("--peers", is_flag=True, help="Measure every other tool that is installed as well.")
@click.option("--no-check", "check", is_flag=True, flag_value=False, default=True, help="Do not read the files back.")
@click.option(
    "--timeout",
    type=click.IntRange(min=1),
    metavar="SECONDS",
    default=900,
    show_default=True,
    help="Limit of a single run.",
)
@click.option("--json", "json_path", type=_FILE, metavar="FILE", help="Write the figures to a file as well.")
@click.option("--chart", type=_FILE, metavar="FILE", help="Write a chart (SVG) as well.")
@debug_option
def bench_command(
    *,
    source: str | None,
    dsn: str | None,
    sample: str,
    rows: int,
    formats: str | None,
    pairs: int,
    workers: int | None,
    peers: bool,
    check: bool,
    timeout: int,
    json_path: Path | None,
    chart: Path | None,
) -> None:
    r"""Measure exports beside psql's own copy.

    Each run follows one of psql's \copy as csv to /dev/null, so that both see the same machine; the ratio of the two is
    what can be compared between machines. Then each file is written once more, read back by another reader and its rows
    are counted.
    """
    if source is None and dsn is not None:
        raise SpecError("dsn", "name the table to measure, or leave both away for a sample table")
    try:
        from polyglot_export.cli.bench.cases import chosen_cases
        from polyglot_export.cli.bench.run import Choices, run
    except ModuleNotFoundError as error:
        raise missing_extra(error, "demo") from error
    choices = Choices(
        cases=chosen_cases(formats),
        pairs=pairs,
        workers=workers,
        peers=peers,
        check=check,
        timeout=timeout,
        sample=sample,
        rows=rows,
        table=source,
        dsn=database(dsn),
        json=json_path,
        chart=chart,
    )
    raise click.exceptions.Exit(run(choices))
