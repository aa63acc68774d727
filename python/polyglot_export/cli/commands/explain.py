"""``polyglot explain`` plans an export and prints the plan; it does not run it."""

from __future__ import annotations

from collections.abc import Sequence

import click

from polyglot_export.cli.errors import suggesting
from polyglot_export.cli.options import WORDING, Command, build_spec, database, debug_option, selection_options, show
from polyglot_export.destinations.naming import choose
from polyglot_export.destinations.stdout import STDOUT

__all__ = ["HELP_POSITION", "explain_command"]

HELP_POSITION = 2


@click.command("explain", cls=Command)
@selection_options
@debug_option
def explain_command(
    *,
    source: str | None,
    query: str | None,
    dsn: str | None,
    format_name: str | None,
    columns: Sequence[str],
    where: Sequence[str],
    order_by: Sequence[str],
    limit: int | None,
    option: Sequence[str],
) -> None:
    """Show how an export would be read: the segments, their SQL, the decoder of each column, and why.

    The plan is made inside a transaction that is rolled back; no row is read.
    """
    from polyglot_export.execution.opening import explain
    from polyglot_export.planning.describe import plan_text

    spec = build_spec(
        source,
        query,
        target=choose(STDOUT, format_name, None, WORDING),
        columns=columns,
        where=where,
        order_by=order_by,
        limit=limit,
        option=option,
    )
    with suggesting(database(dsn), source):
        show(plan_text(explain(spec, dsn=database(dsn))))
