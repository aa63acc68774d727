"""``polyglot dump``: many tables of one moment into a set of files."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from polyglot_export.cli.completion.values import complete_option
from polyglot_export.cli.connections import database
from polyglot_export.cli.options import (
    Command,
    debug_option,
    dsn_option,
    format_option,
    lock_timeout_option,
    parse_rate,
    parse_time,
    rate_limit_option,
)
from polyglot_export.cli.quick import import_psycopg
from polyglot_export.cli.talk import say
from polyglot_export.compressions import Compression
from polyglot_export.errors import PolyglotError, SpecError
from polyglot_export.formats.registry import Format

if TYPE_CHECKING:
    from polyglot_export.dumps.request import DumpRequest, DumpResult
    from polyglot_export.execution.engines.executor import ExecutorEngine

__all__ = ["HELP_POSITION", "dump_command"]

HELP_POSITION = 2

INCOMPLETE = 1


@click.command("dump", cls=Command)
@dsn_option
@click.option(
    "--output",
    "-o",
    metavar="DEST",
    required=True,
    help="Folder, or URL as s3://lake/2026-11-25/, that holds nothing yet. {schema} and {table} may stand in it; the "
    "manifest is where the first of them begins.",
)
@click.option(
    "--manifest",
    metavar="FILE",
    help="The file or URL of the manifest, ending in .json, where it is not to be manifest.json in DEST: in the folder "
    "of the files or above it.",
)
@click.option(
    "--format",
    "-f",
    "format_name",
    type=click.Choice([each.value for each in Format]),
    default=Format.PARQUET.value,
    show_default=True,
    help="Format of the files.",
)
@click.option(
    "--compression", type=click.Choice([each.value for each in Compression]), help="Compress the text formats."
)
@format_option(complete_option)
@click.option("--schema", "-n", multiple=True, metavar="PATTERN", help="All tables of the schemas that match.")
@click.option(
    "--table",
    "-t",
    multiple=True,
    metavar="PATTERN",
    help="Tables that match, as orders or 'sales.*'; a view where it is named without * and ?.",
)
@click.option("--exclude-schema", "-N", multiple=True, metavar="PATTERN", help="Not these schemas.")
@click.option("--exclude-table", "-T", multiple=True, metavar="PATTERN", help="Not these tables.")
@click.option("--views", is_flag=True, help="Views and materialized views too.")
@click.option(
    "--query",
    "-q",
    multiple=True,
    metavar="NAME=SQL",
    help="The rows of this SELECT too; with queries alone no table is dumped.",
)
@click.option("--skip-unreadable", is_flag=True, help="Leave out what was named and the login may not read.")
@click.option(
    "--part-size",
    metavar="SIZE",
    help="Cut tables into files of about so many bytes of their pages, as 256MiB. Default: one file a table. With "
    "--partition-by, bytes of its rows after which a file ends.",
)
@click.option(
    "--partition-folders",
    is_flag=True,
    help="A folder for each partition of a partitioned table, in that of the table.",
)
@click.option(
    "--partition-by",
    multiple=True,
    metavar="TABLE:COLUMN[:PART]",
    help="Lay the rows of this table into a folder for each value of the column, as Hive names them; PART is year, "
    "month, day or hour of a date or timestamp.",
)
@click.option(
    "--keep-partition-column",
    is_flag=True,
    help="Leave columns in the files although their folders stand for them.",
)
@click.option(
    "--watermark",
    multiple=True,
    metavar="TABLE:COLUMN",
    help="Note the greatest value of this column in the same snapshot: where a later increment begins.",
)
@click.option(
    "--fingerprints",
    is_flag=True,
    help="Note what the server says of each segment's rows, so that verify --against can tell what changed since.",
)
@click.option(
    "--overwrite", is_flag=True, help="Replace the dump that is there; its files go when the new one is complete."
)
@click.option("--keep-going", is_flag=True, help="Finish the other tables when one fails (exit code 1).")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@click.option(
    "--engine",
    metavar="NAME",
    help="Who writes the files: local, or dask=tcp://scheduler:8786 for the workers of a Dask cluster, which find the "
    "database in their own environment and need the same DEST.",
)
@click.option(
    "--send-dsn",
    is_flag=True,
    help="With --engine: send the workers the connection string, password and all. Who reaches the scheduler can read "
    "it.",
)
@click.option(
    "--workers",
    "-w",
    type=click.IntRange(min=1),
    metavar="N",
    help="Connections that read at the same time, in all. Default: one a CPU, at most 4; on a cluster, one a thread.",
)
@rate_limit_option
@lock_timeout_option
@click.option("--quiet", is_flag=True, help="No progress bar and no summary. Errors and lost values are still told.")
@debug_option
def dump_command(
    *,
    dsn: str | None,
    output: str,
    manifest: str | None,
    format_name: str,
    compression: str | None,
    option: Sequence[str],
    schema: Sequence[str],
    table: Sequence[str],
    exclude_schema: Sequence[str],
    exclude_table: Sequence[str],
    views: bool,
    query: Sequence[str],
    skip_unreadable: bool,
    part_size: str | None,
    partition_folders: bool,
    partition_by: Sequence[str],
    keep_partition_column: bool,
    watermark: Sequence[str],
    fingerprints: bool,
    overwrite: bool,
    keep_going: bool,
    dry_run: bool,
    engine: str | None,
    send_dsn: bool,
    workers: int | None,
    rate_limit: str | None,
    lock_timeout: str | None,
    quiet: bool,
) -> None:
    """Write many tables of one moment into a folder or a bucket.

    All tables are locked before the one snapshot is taken that all of them are read in. manifest.json is written last:
    where it is, everything is, and polyglot verify checks it. Without --schema and --table every table is dumped that
    the login may read. Patterns are those of pg_dump: * and ?, lower case unless in double quotes.

    Exit codes: 0 done, 1 failed or something is missing, 2 wrong use.

    \b
    polyglot dump -o tonight/
    polyglot dump --schema sales --schema crm -o s3://lake/2026-11-25/ --part-size 256MiB
    polyglot dump -o s3://lake/tonight/ --part-size 256MiB --engine dask=tcp://scheduler:8786
    polyglot dump --table sales.events --partition-by sales.events:created_at:day -o s3://lake/events/
    polyglot dump --table 'sales.*' --exclude-table '*_log' -f csv --compression zstd -o 's3://lake/{schema}/{table}/'
    """  # noqa: D301 - click reads the backspace as: do not join these lines
    # As for an export: what is imported is no garbage.
    gc.disable()
    import_psycopg()
    from polyglot_export.dumps.request import DumpRequest
    from polyglot_export.dumps.selection import Selection
    from polyglot_export.execution.engines.registry import cluster
    from polyglot_export.execution.run import RunSettings
    from polyglot_export.limits import FILE_CHUNK_BYTES
    from polyglot_export.request.language.arguments import parse_options
    from polyglot_export.request.parse import parse_spec

    form = {
        "format": format_name,
        "compression": compression,
        "options": parse_options(option, Format(format_name)),
    }
    request = DumpRequest(
        destination=output,
        manifest=manifest,
        selection=Selection(
            schemas=tuple(schema),
            tables=tuple(table),
            exclude_schemas=tuple(exclude_schema),
            exclude_tables=tuple(exclude_table),
            views=views,
            queries=_pairs("query", query, "=", "NAME=SQL"),
            skip_unreadable=skip_unreadable,
        ),
        form=parse_spec(form),
        part_size=_size(part_size),
        partition_folders=partition_folders,
        partition_texts=_partitions(partition_by),
        keep_partition_column=keep_partition_column,
        watermarks=_pairs("watermark", watermark, ":", "TABLE:COLUMN"),
        fingerprints=fingerprints,
        overwrite=overwrite,
        keep_going=keep_going,
        run=RunSettings(
            workers=workers,
            rate_limit=parse_rate(rate_limit),
            lock_timeout=parse_time(lock_timeout, "lock_timeout"),
            chunk_bytes=FILE_CHUNK_BYTES,
        ),
    )
    with cluster(engine, send_dsn=send_dsn) as pool:
        if pool is not None and workers is None:
            request = replace(request, run=replace(request.run, workers=pool.slots()))
        if dry_run:
            _outline(request, database(dsn), pool)
            return
        result = _run(request, database(dsn), pool, quiet=quiet)
    raise click.exceptions.Exit(0 if result.complete else INCOMPLETE)


def _run(request: DumpRequest, dsn: str | None, pool: ExecutorEngine | None, *, quiet: bool) -> DumpResult:
    from polyglot_export.cli.progress import dump_meter, losses_line
    from polyglot_export.cli.signals import Interrupted, raising_interrupted
    from polyglot_export.dumps.run import dump_set
    from polyglot_export.execution import allocator

    if request.partition_by or request.partition_texts:
        # Rows wait in blocks that grow to some megabytes, of which a heap that keeps what it is given back keeps all.
        allocator.give_back()
    else:
        allocator.keep()
    gc.freeze()
    gc.enable()
    meter = dump_meter(quiet=quiet)
    try:
        with raising_interrupted():
            result = dump_set(request, dsn=dsn, engine=pool, on_progress=meter.draw)
    except Interrupted as interrupted:
        interrupted.remark = f"; no file of this dump is left in {request.destination}"
        raise
    except PolyglotError as error:
        for note in getattr(error, "__notes__", ()):
            say(note)
        raise
    finally:
        meter.stop()
    for missing in result.missing:
        name = missing.name if missing.schema is None else f"{missing.schema}.{missing.name}"
        say(f"warning: {name} is missing: {missing.reason}")
    lost = losses_line(result.losses)
    if lost is not None:
        say(lost)
    if result.left:
        say(f"warning: {len(result.left):,} files of the dump before could not be removed from {result.destination}")
    if not quiet:
        say(_summary(result))
    return result


def _summary(result: DumpResult) -> str:
    """``40 relations, 52 files, 1,000,000 rows, 152.4 MB in 1.9 s to out/``."""
    from polyglot_export.text.sizes import counted, size_text
    from polyglot_export.text.times import seconds_text

    written = ", ".join(
        (
            counted(len(result.manifest.relations), "relation"),
            counted(result.files, "file"),
            counted(result.rows, "row"),
            size_text(result.bytes),
        )
    )
    return f"{written} in {seconds_text(result.seconds)} to {result.destination}"


def _outline(request: DumpRequest, dsn: str | None, pool: ExecutorEngine | None) -> None:
    from polyglot_export.cli.signals import raising_interrupted
    from polyglot_export.cli.talk import show
    from polyglot_export.dumps.outline import outline

    with raising_interrupted():
        for line in outline(request, dsn=dsn, engine=pool):
            show(line)


def _size(text: str | None) -> int | None:
    if text is None:
        return None
    from polyglot_export.text.sizes import parse_size

    try:
        return int(str(parse_size(text)))
    except ValueError as error:
        raise SpecError("part_size", f"{error} (got {text!r})") from None


def _partitions(given: Sequence[str]) -> tuple[str, ...]:
    """The values of ``--partition-by``, of which each name may have colons: which one divides them, only the relations
    of the dump tell.
    """
    for text in given:
        table, _, by = text.partition(":")
        if not table or not by:
            raise SpecError("partition_by", "must be TABLE:COLUMN, or TABLE:COLUMN:day and the like", given=text)
    return tuple(given)


def _pairs(field: str, given: Sequence[str], separator: str, form: str) -> dict[str, str]:
    """The values of an option that names something."""
    found: dict[str, str] = {}
    for text in given:
        name, found_separator, value = text.partition(separator) if separator == "=" else text.rpartition(separator)
        if not found_separator or not name or not value:
            raise SpecError(field, f"must be {form}", given=text)
        if name in found:
            raise SpecError(field, f"names {name} twice")
        found[name] = value
    return found
