"""``polyglot explain`` plans an export and prints the plan; it does not run it."""

from __future__ import annotations

from collections.abc import Sequence

import click

from polyglot_export.cli.errors import suggesting
from polyglot_export.cli.options import (
    WORDING,
    Command,
    build_spec,
    database,
    debug_option,
    export_options,
    parse_rate,
    parse_time,
    show,
)
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
    source: str | None,
    query: str | None,
    dsn: str | None,
    format_name: str | None,
    columns: Sequence[str],
    where: Sequence[str],
    order_by: Sequence[str],
    limit: int | None,
    option: Sequence[str],
    output: str,
    manifest: str | None,  # noqa: ARG001 - so that the line of an export can be explained as it is
    fingerprints: bool,  # noqa: ARG001 - as the manifest
    compression: str | None,
    workers: int | None,
    rate_limit: str | None,
    lock_timeout: str | None,
    quiet: bool,  # noqa: ARG001 - as the manifest
) -> None:
    """Show how an export would be read: the segments, their SQL, the decoder of each column, and why.

    Takes the line of an export as it is. The plan is made inside a transaction that is rolled back; no row is read, and
    no file is written.
    """
    from polyglot_export.execution.opening import explain
    from polyglot_export.execution.run import RunSettings
    from polyglot_export.planning.describe import plan_text

    target = choose(output or STDOUT, format_name, compression, WORDING)
    spec = build_spec(
        source,
        query,
        target=target,
        columns=columns,
        where=where,
        order_by=order_by,
        limit=limit,
        option=option,
    )
    run = RunSettings(
        workers=workers,
        rate_limit=parse_rate(rate_limit),
        lock_timeout=parse_time(lock_timeout, "lock_timeout"),
        application_name="polyglot explain",
    )
    with suggesting(database(dsn), source):
        plan = explain(spec, dsn=database(dsn), run=run)
        show(plan_text(plan, kind_of(target.path).capabilities.memory_bytes))
