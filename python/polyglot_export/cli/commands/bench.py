"""``polyglot bench``: exports beside psql's own copy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polyglot_export.cli.connections import database
from polyglot_export.cli.extras import missing_extra
from polyglot_export.cli.options import Command, debug_option, dsn_option
from polyglot_export.errors import SpecError

if TYPE_CHECKING:
    from polyglot_export.cli.bench.run import Choices

__all__ = ["HELP_POSITION", "bench_command", "choices_of"]

HELP_POSITION = 7

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("bench", cls=Command)
@click.argument(
    "source",
    metavar="[SOURCE]",
    required=False,
    help="A table at --dsn. Default: a sample table on a server that is started.",
)
@dsn_option
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
    help="Runs of each format; medians are shown.",
)
@click.option(
    "--workers", "-w", type=click.IntRange(min=1), metavar="N", help="Of our exports. Default: one a CPU, at most 4."
)
@click.option("--no-check", "check", is_flag=True, flag_value=False, default=True, help="Do not read the files back.")
@click.option(
    "--timeout",
    type=click.IntRange(min=1),
    metavar="SECONDS",
    default=900,
    show_default=True,
    help="Limit of a single run.",
)
@click.option(
    "--disk",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    metavar="FOLDER",
    help="Write into files there and wait for the disk (fsync), psql too. Default: to /dev/null.",
)
@click.option("--json", "json_path", type=_FILE, metavar="FILE", help="Write the figures to a file as well.")
@debug_option
def bench_command(**given: Any) -> None:
    r"""Measure exports beside psql's own copy.

    Each run follows one of psql's \copy as csv to /dev/null, so that both see the same machine; the ratio of the two is
    what can be compared between machines. So is that to the time in which the server sends the rows to nobody. Then
    each file is written once more, while the transactions on the server are watched, and read back by another reader,
    which counts its rows.
    """
    try:
        from polyglot_export.cli.bench.run import exit_code, run
    except ModuleNotFoundError as error:
        raise missing_extra(error, "demo") from error
    raise click.exceptions.Exit(exit_code(run(choices_of(**given))))


def choices_of(
    *,
    source: str | None,
    dsn: str | None,
    rows: int,
    formats: str | None,
    pairs: int,
    workers: int | None,
    check: bool,
    timeout: int,
    disk: Path | None,
    json_path: Path | None,
) -> Choices:
    """What the options of the command say.

    Raises:
        SpecError: A server without a table, or a format that does not exist.
    """
    from polyglot_export.cli.bench.cases import chosen_cases
    from polyglot_export.cli.bench.run import Choices

    if source is None and dsn is not None:
        raise SpecError("dsn", "name the table to measure, or leave both away for a sample table")
    return Choices(
        cases=chosen_cases(formats),
        pairs=pairs,
        workers=workers,
        check=check,
        timeout=timeout,
        rows=rows,
        table=source,
        dsn=database(dsn),
        json=json_path,
        disk=disk,
    )
