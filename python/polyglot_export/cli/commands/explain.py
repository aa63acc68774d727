"""``polyglot explain`` plans an export and prints the plan; it does not run it."""

from __future__ import annotations

import click

from polyglot_export.cli.connections import database
from polyglot_export.cli.errors import suggesting
from polyglot_export.cli.options import Command, debug_option
from polyglot_export.cli.selection import WORDING, Running, Selection, Splitting, export_options
from polyglot_export.cli.talk import show
from polyglot_export.destinations.naming import choose
from polyglot_export.destinations.registry import kind_of
from polyglot_export.destinations.stdout import STDOUT

__all__ = ["HELP_POSITION", "explain_command"]

HELP_POSITION = 2


@click.command("explain", cls=Command)
@export_options
@debug_option
def explain_command(
    *,
    selection: Selection,
    splitting: Splitting,
    running: Running,
    dsn: str | None,
    format_name: str | None,
    compression: str | None,
    option: tuple[str, ...],
    output: str,
    **_: object,
) -> None:
    """Show how an export would be read: the segments, their SQL, the decoder of each column, and why.

    Takes the line of an export as it is. The plan is made inside a transaction that is rolled back; no row is read, and
    no file is written.
    """
    from polyglot_export.execution.opening import explain
    from polyglot_export.planning.describe import plan_text

    target = choose(output or STDOUT, format_name, compression, WORDING)
    spec = selection.spec(target.format, target.compression, option, **splitting.members())
    run = running.settings(application_name="polyglot explain")
    with suggesting(database(dsn), selection.source):
        plan = explain(spec, dsn=database(dsn), run=run)
        show(plan_text(plan, kind_of(target.path).capabilities.memory_bytes))
