"""``polyglot export``: a table, view or query into a file, an object or standard output."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple

import click

from polyglot_export.cli.errors import suggesting
from polyglot_export.cli.options import (
    WORDING,
    Command,
    build_spec,
    database,
    debug_option,
    export_options,
    leave_quietly,
    parse_rate,
    parse_time,
    say,
)
from polyglot_export.cli.quick import import_psycopg
from polyglot_export.cli.signals import Interrupted
from polyglot_export.destinations.naming import COMPRESSIONS, FORMATS, Target, choose
from polyglot_export.destinations.registry import destination
from polyglot_export.destinations.stdout import STDOUT
from polyglot_export.errors import SpecError

if TYPE_CHECKING:
    from polyglot_export.cancel import CancelToken
    from polyglot_export.execution.export import Export
    from polyglot_export.manifest.single import SingleManifest
    from polyglot_export.request.spec import ExportSpec

__all__ = ["HELP_POSITION", "export_command"]

HELP_POSITION = 1


HELP = f"""Export a table, a view or a query.

The format is that of the file name ({", ".join(FORMATS)}, with {" or ".join(COMPRESSIONS)} behind it), or the one of
--format. What is exported is one moment of the database, whole: an export that fails leaves no file and does not touch
the one that is there.

Exit codes: 0 done (or the reader of the pipe had enough), 1 failed, 2 wrong use. Ctrl-C and SIGTERM end the command as
signals do (130, 143).

\b
polyglot export orders -o orders.parquet
polyglot export orders -o s3://lake/orders.parquet
polyglot export sales.orders -o orders.csv.gz --columns id,value=amount --where 'id <= 1000'
polyglot export --query 'select state, count(*) from orders group by 1' -f ndjson | jq .
"""  # noqa: S608 - it is a text for people
"""click reads the backspace as: do not join these lines."""


@click.command("export", cls=Command, help=HELP)
@export_options
@debug_option
def export_command(
    *,
    source: str | None,
    query: str | None,
    dsn: str | None,
    format_name: str | None,
    output: str,
    manifest: str | None,
    fingerprints: bool,
    columns: Sequence[str],
    where: Sequence[str],
    order_by: Sequence[str],
    limit: int | None,
    compression: str | None,
    option: Sequence[str],
    workers: int | None,
    rate_limit: str | None,
    lock_timeout: str | None,
    quiet: bool,
) -> None:
    # Until the first chunk nothing becomes garbage; looking for some would take a twentieth of the start.
    gc.disable()
    target = choose(output or STDOUT, format_name, compression, WORDING)
    to_terminal = target.path == STDOUT and sys.stdout is not None and sys.stdout.isatty()
    if to_terminal and target.is_binary and not output:
        raise SpecError(
            None, f"{target.compression or target.format} is not for a terminal: give -o FILE, or -o - to insist"
        )
    spec = build_spec(
        source, query, target=target, columns=columns, where=where, order_by=order_by, limit=limit, option=option
    )
    how = _Run(dsn, workers, parse_rate(rate_limit), parse_time(lock_timeout, "lock_timeout"), manifest, fingerprints)
    _run(spec, target, how, quiet=quiet, to_terminal=to_terminal)


class _Run(NamedTuple):
    dsn: str | None
    workers: int | None
    rate_limit: float | None
    lock_timeout: float | None
    manifest: str | None
    fingerprints: bool


def _run(spec: ExportSpec, target: Target, how: _Run, *, quiet: bool, to_terminal: bool) -> None:
    import_psycopg()
    from polyglot_export.cli.progress import losses_line, meter_for, summary_line
    from polyglot_export.cli.transfer import ReaderLeft, transfer
    from polyglot_export.execution import allocator
    from polyglot_export.execution.opening import open_export
    from polyglot_export.execution.run import RunSettings
    from polyglot_export.limits import CHUNK_BYTES, FILE_CHUNK_BYTES

    to_stdout = target.path == STDOUT
    place = destination(target.path)
    chunk_bytes = CHUNK_BYTES if place.capabilities.streaming else FILE_CHUNK_BYTES
    run = RunSettings(
        workers=how.workers, chunk_bytes=chunk_bytes, rate_limit=how.rate_limit, lock_timeout=how.lock_timeout
    )
    sheet = _sheet(target, how)

    def opener(token: CancelToken) -> Export:
        opened = open_export(spec, dsn=database(how.dsn), run=run, token=token)
        if sheet is not None:
            sheet.describe(opened)
        allocator.keep()
        gc.freeze()
        gc.enable()
        return opened

    try:
        with suggesting(database(how.dsn), spec.dataset), sheet or nullcontext():
            on_chunk = sheet.update if sheet is not None else None
            result = transfer(opener, place, meter_for(quiet=quiet, to_terminal=to_terminal), on_chunk)
            if sheet is not None:
                sheet.write(result)
    except ReaderLeft:
        leave_quietly()
    except Interrupted as interrupted:
        atomic = place.capabilities.atomic
        interrupted.remark = f"; {target.path} was not written" if atomic else "; the output is not complete"
        raise
    finally:
        if place.remains is not None:
            say(f"{target.path}: {place.remains}")
    lost = losses_line(result.losses)
    if lost is not None:
        say(lost)
    if not quiet:
        say(summary_line(result, "standard output" if to_stdout else target.path))


def _sheet(target: Target, how: _Run) -> SingleManifest | None:
    if how.manifest is None:
        if how.fingerprints:
            raise SpecError("fingerprints", "stand in a manifest: give --manifest FILE too")
        return None
    from polyglot_export.manifest.single import SingleManifest

    return SingleManifest(target.path, how.manifest, fingerprints=how.fingerprints)
