"""``polyglot demo`` shows everything at once, on a database of its own."""

from __future__ import annotations

from importlib.util import find_spec

import click

from polyglot_export.cli.extras import missing_extra
from polyglot_export.cli.options import Command, debug_option

__all__ = ["HELP_POSITION", "demo_command"]

HELP_POSITION = 6

READERS = ("lxml", "pyarrow", "zstandard")
"""Libraries that only the processes import which read the files back. They are looked for before anything is started,
because a missing one would else be noticed only after the first download."""


@click.command("demo", cls=Command)
@click.option(
    "--rows",
    "-n",
    type=click.IntRange(min=1),
    metavar="N",
    default=1_000_000,
    show_default=True,
    help="Rows of the sample table.",
)
@click.option("--keep", is_flag=True, help="Keep the service and the database running until Ctrl-C.")
@debug_option
def demo_command(*, rows: int, keep: bool) -> None:
    """Start PostgreSQL, fill a table, serve it, download every format and check each file.

    Needs no database and no rights: everything is in a temporary folder and is stopped and removed at the end.
    """
    try:
        from polyglot_export.cli.demo.run import run

        for name in READERS:
            if find_spec(name) is None:
                raise ModuleNotFoundError(name=name)
    except ModuleNotFoundError as error:
        raise missing_extra(error, "demo") from error
    raise click.exceptions.Exit(run(rows=rows, keep=keep))
