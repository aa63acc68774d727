"""``polyglot export``: a table, view or query into a file or standard output."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from polyglot_export.cli.common import (
    Columns,
    CompressionName,
    Debug,
    Dsn,
    FormatOption,
    Limit,
    Options,
    OrderBy,
    Query,
    Source,
    Where,
    Workers,
    database,
    leave_quietly,
    say,
)
from polyglot_export.cli.complaints import suggesting
from polyglot_export.cli.interrupt import Interrupted
from polyglot_export.cli.target import STDOUT, Target, choose
from polyglot_export.errors import SpecError

if TYPE_CHECKING:
    from polyglot_export.cancel import CancelToken
    from polyglot_export.export import Export
    from polyglot_export.sinks import Sink
    from polyglot_export.spec import ExportSpec

__all__ = ["export_command"]


def export_command(
    *,
    source: Source = None,
    query: Query = None,
    dsn: Dsn = None,
    format_name: FormatOption = None,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write; it appears complete or not at all, and replaces one of that name. - is standard output, the default.",
            show_default=False,
        ),
    ] = "",
    columns: Columns = None,
    where: Where = None,
    order_by: OrderBy = None,
    limit: Limit = None,
    compression: Annotated[
        CompressionName | None,
        typer.Option("--compression", help="Compress the text formats. Default: what the file name says (.gz, .zst)."),
    ] = None,
    option: Options = None,
    workers: Workers = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar and no summary. Errors and lost values are still told.")] = False,
    debug: Debug = False,
) -> None:
    """Export a table, a view or a query.

    The format is that of the file name (.csv, .tsv, .json, .ndjson, .jsonl, .xml, .parquet, with .gz or .zst behind it), or
    the one of --format. What is exported is one moment of the database, whole: an export that fails leaves no file and
    does not touch the one that is there.

    Exit codes: 0 done (or the reader of the pipe had enough), 1 failed, 2 wrong use. Ctrl-C and SIGTERM end the command as
    signals do (130, 143).

    \b
    polyglot export orders -o orders.parquet
    polyglot export sales.orders -o orders.csv.gz --columns id,value=amount --where 'id <= 1000'
    polyglot export --query 'select state, count(*) from orders group by 1' -f ndjson | jq .
    """  # noqa: D301 - typer reads the backspace as: do not join these lines
    del debug
    target = choose(output or STDOUT, format_name, compression)
    to_terminal = target.path == STDOUT and sys.stdout is not None and sys.stdout.isatty()
    if to_terminal and target.is_binary and not output:
        raise SpecError(f"{target.compression or target.format} is not for a terminal: give -o FILE, or -o - to insist", field="output")
    from polyglot_export.cli.request import build_spec

    spec = build_spec(source, query, target=target, columns=columns, where=where, order_by=order_by, limit=limit, option=option)
    _run(spec, target, dsn=dsn, workers=workers, quiet=quiet, to_terminal=to_terminal)


def _run(spec: ExportSpec, target: Target, *, dsn: str | None, workers: int | None, quiet: bool, to_terminal: bool) -> None:
    from polyglot_export.cli.progress import losses_line, meter_for, summary_line
    from polyglot_export.cli.transfer import ReaderLeft, transfer
    from polyglot_export.export import RunSettings, open_export
    from polyglot_export.memory import CHUNK_BYTES, FILE_CHUNK_BYTES

    to_stdout = target.path == STDOUT
    # A file wants large writes; who reads a pipe wants the first rows early.
    run = RunSettings(workers=workers, chunk_bytes=CHUNK_BYTES if to_stdout else FILE_CHUNK_BYTES)

    def opener(token: CancelToken) -> Export:
        return open_export(spec, dsn=database(dsn), run=run, token=token)

    try:
        with suggesting(database(dsn), spec.dataset):
            result = transfer(opener, _sink(target), meter_for(quiet=quiet, to_terminal=to_terminal))
    except ReaderLeft:
        leave_quietly()
    except Interrupted as interrupted:
        interrupted.remark = "; the output is not complete" if to_stdout else f"; {target.path} was not written"
        raise
    lost = losses_line(result.losses)
    if lost is not None:
        say(lost)
    if not quiet:
        say(summary_line(result, "standard output" if to_stdout else target.path))


def _sink(target: Target) -> Sink:
    from polyglot_export.sinks import FileSink, StdoutSink

    return StdoutSink() if target.path == STDOUT else FileSink(target.path)
