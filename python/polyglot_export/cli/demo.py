"""``polyglot demo``: everything at once on a database of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from polyglot_export.cli.common import Debug
from polyglot_export.cli.extras import missing_extra

__all__ = ["demo_command"]


def demo_command(
    *,
    rows: Annotated[int, typer.Option("--rows", "-n", metavar="N", help="Rows of the sample table.", min=1)] = 1_000_000,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the service and the database running until Ctrl-C.")] = False,
    debug: Debug = False,
) -> None:
    """Start PostgreSQL, fill a table, serve it, download every format and check each file.

    Needs no database and no rights: everything is in a temporary folder and is stopped and removed at the end.
    """
    del debug
    try:
        from polyglot_export.demo.run import run
    except ModuleNotFoundError as error:
        raise missing_extra(error, "demo") from error
    raise typer.Exit(run(rows=rows, keep=keep))
