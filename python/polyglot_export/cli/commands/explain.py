"""``polyglot explain``: the plan of an export, which is made and not run."""

from __future__ import annotations

from collections.abc import Sequence

import click

from polyglot_export.cli.errors import suggesting
from polyglot_export.cli.options import database, debug_option, selection_options, show
from polyglot_export.destinations.naming import STDOUT, choose

__all__ = ["explain_command"]


@click.command("explain")
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
    from polyglot_export.cli.request import build_spec
    from polyglot_export.execution.opening import explain
    from polyglot_export.planning.describe import plan_text

    spec = build_spec(
        source,
        query,
        target=choose(STDOUT, format_name, None),
        columns=columns,
        where=where,
        order_by=order_by,
        limit=limit,
        option=option,
    )
    with suggesting(database(dsn), source):
        show(plan_text(explain(spec, dsn=database(dsn))))
