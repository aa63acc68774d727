"""Many relations of one moment into a set of files, from Python."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from os import PathLike, fspath
from typing import Any

from polyglot_export.cancel import CancelToken
from polyglot_export.compressions import Compression
from polyglot_export.dumps.request import DumpRequest, DumpResult, OnDumpProgress
from polyglot_export.dumps.run import dump_set
from polyglot_export.dumps.selection import Selection
from polyglot_export.errors import SpecError
from polyglot_export.execution.engines.executor import ExecutorEngine
from polyglot_export.execution.run import RunSettings
from polyglot_export.formats.registry import Format
from polyglot_export.library.keywords import Settings, make_spec
from polyglot_export.limits import FILE_CHUNK_BYTES

__all__ = ["Names", "adump", "dump"]

Names = str | Iterable[str]
"""One pattern, or several."""


def dump(
    dsn: str | None,
    destination: str | PathLike[str],
    *,
    manifest: str | PathLike[str] | None = None,
    schemas: Names = (),
    tables: Names = (),
    exclude_schemas: Names = (),
    exclude_tables: Names = (),
    views: bool = False,
    queries: Mapping[str, str] | None = None,
    skip_unreadable: bool = False,
    format: Format | str = Format.PARQUET,  # noqa: A002 - the word everyone uses
    compression: Compression | str | None = None,
    options: Mapping[str, Any] | None = None,
    part_size: int | None = None,
    partition_folders: bool = False,
    partition_by: Mapping[str, str] | None = None,
    keep_partition_column: bool = False,
    watermarks: Mapping[str, str] | None = None,
    fingerprints: bool = False,
    overwrite: bool = False,
    keep_going: bool = False,
    engine: ExecutorEngine | Executor | None = None,
    role: str | None = None,
    settings: Settings | None = None,
    workers: int | None = None,
    rate_limit: float | None = None,
    lock_timeout: float | None = None,
    on_progress: OnDumpProgress | None = None,
    token: CancelToken | None = None,
) -> DumpResult:
    """Write many tables of one moment into a folder or a bucket, with a manifest that is written last.

    All of them are locked in one order before the one snapshot is taken. Without patterns: every table that the login
    may read outside the system's schemas. Patterns are those of pg_dump and psql: ``orders``, ``sales.*``.

    Args:
        dsn: URI or key=value string; ``None`` leaves it to libpq's environment variables and files.
        destination: A folder, or a URL (``s3://lake/2026-11-25/``), that holds nothing yet. ``{schema}`` and
            ``{table}`` may stand in it; the manifest is where the first of them begins.
        manifest: The file of the manifest instead, ending in ``.json``: in the folder of the files or above it. Several
            sets may then lie side by side, each in folders of its own.
        schemas: Of which all tables are wanted.
        tables: Tables; a view or foreign table where it is named without ``*`` and ``?``.
        exclude_schemas: Left out.
        exclude_tables: Left out.
        views: Views and materialized views too.
        queries: Name → one SELECT statement. With these alone, no table is dumped.
        skip_unreadable: Leave out what was named and the login may not read; the manifest says so.
        format: A :class:`Format` or its name.
        compression: Of the text formats.
        options: The format's options.
        part_size: Bytes of a table's pages, about, that make a file; ``None`` for one file a table.
        partition_folders: Give each partition of a partitioned table a folder of its own in that of the table. A table
            that cannot be read by its partitions (row-level security, a foreign one) keeps the one folder.
        partition_by: ``schema.table`` (or a query's name) → column, or ``column:day`` (``year``, ``month``, ``hour``):
            its rows are laid into a folder for each value, as Hive names them (``day=2026-11-25``). Files of such a
            relation end after ``part_size`` bytes of their rows.
        keep_partition_column: Leave a column in the files although their folders stand for it.
        watermarks: ``schema.table`` → column whose greatest value, in the same snapshot, the manifest tells.
        fingerprints: Note in the manifest what the server says of each segment's rows, so that :func:`verify` can tell
            later what changed since.
        overwrite: Replace a set, or what is left of one that was never complete; the old files go when the new manifest
            is there.
        keep_going: Finish the other relations when one fails. The manifest then says what is missing.
        engine: Writes the parts elsewhere: a :class:`DaskEngine`, or any pool of ``concurrent.futures``, whose workers
            find the database in their own environment and see the same destination. ``None``: in this process.
        role: The database role under which everything is looked up and read, of which the login is a member.
        settings: What is set in every session before it reads, for policies and views: ``{"app.tenant": 3}``.
        workers: Connections that read at the same time, in all; by default as many as the engine has slots.
        rate_limit: Bytes a second that are read at most, by all of them together.
        lock_timeout: Seconds to wait for locks of other sessions; ``None`` waits as long as it takes.
        on_progress: Called about ten times a second in the thread of the caller.
        token: Cancelling it ends the dump.

    Raises:
        SpecError: The request is wrong, or the place holds something already.
        PolyglotError: What else went wrong. No file of this dump is left, and what was there before is untouched.
    """
    selection = Selection(
        schemas=_names("schemas", schemas),
        tables=_names("tables", tables),
        exclude_schemas=_names("exclude_schemas", exclude_schemas),
        exclude_tables=_names("exclude_tables", exclude_tables),
        views=views,
        queries=_mapping("queries", queries, '{"top": "SELECT …"}'),
        skip_unreadable=skip_unreadable,
    )
    pool = ExecutorEngine(engine) if isinstance(engine, Executor) else engine
    if pool is not None and not isinstance(pool, ExecutorEngine):
        raise SpecError("engine", f"must be a DaskEngine, an ExecutorEngine or an Executor (got {engine!r})")
    if pool is not None and workers is None:
        workers = pool.slots()
    request = DumpRequest(
        destination=fspath(destination),
        manifest=None if manifest is None else fspath(manifest),
        selection=selection,
        form=make_spec(format=format, compression=compression, options=options),
        part_size=part_size,
        partition_folders=partition_folders,
        partition_by=_mapping("partition_by", partition_by, '{"schema.table": "column:day"}'),
        keep_partition_column=keep_partition_column,
        watermarks=_mapping("watermarks", watermarks, '{"schema.table": "column"}'),
        fingerprints=fingerprints,
        overwrite=overwrite,
        keep_going=keep_going,
        run=RunSettings(
            workers=workers,
            chunk_bytes=FILE_CHUNK_BYTES,
            rate_limit=rate_limit,
            lock_timeout=lock_timeout,
            role=role,
            settings=settings,
        ),
    )
    return dump_set(request, dsn=dsn, engine=pool, on_progress=on_progress, token=token)


async def adump(
    dsn: str | None,
    destination: str | PathLike[str],
    *,
    manifest: str | PathLike[str] | None = None,
    schemas: Names = (),
    tables: Names = (),
    exclude_schemas: Names = (),
    exclude_tables: Names = (),
    views: bool = False,
    queries: Mapping[str, str] | None = None,
    skip_unreadable: bool = False,
    format: Format | str = Format.PARQUET,  # noqa: A002
    compression: Compression | str | None = None,
    options: Mapping[str, Any] | None = None,
    part_size: int | None = None,
    partition_folders: bool = False,
    partition_by: Mapping[str, str] | None = None,
    keep_partition_column: bool = False,
    watermarks: Mapping[str, str] | None = None,
    fingerprints: bool = False,
    overwrite: bool = False,
    keep_going: bool = False,
    engine: ExecutorEngine | Executor | None = None,
    role: str | None = None,
    settings: Settings | None = None,
    workers: int | None = None,
    rate_limit: float | None = None,
    lock_timeout: float | None = None,
    on_progress: OnDumpProgress | None = None,
) -> DumpResult:
    """The same in an event loop, in a thread of its own. A task that is cancelled ends the dump, and waits until its
    files are removed. The arguments are those of :func:`dump`; ``on_progress`` is called in the other thread.

    Raises:
        PolyglotError: As :func:`dump`.
    """
    token = CancelToken()
    with ThreadPoolExecutor(1, "polyglot-dump") as own:
        running = asyncio.get_running_loop().run_in_executor(
            own,
            lambda: dump(
                dsn,
                destination,
                manifest=manifest,
                schemas=schemas,
                tables=tables,
                exclude_schemas=exclude_schemas,
                exclude_tables=exclude_tables,
                views=views,
                queries=queries,
                skip_unreadable=skip_unreadable,
                format=format,
                compression=compression,
                options=options,
                part_size=part_size,
                partition_folders=partition_folders,
                partition_by=partition_by,
                keep_partition_column=keep_partition_column,
                watermarks=watermarks,
                fingerprints=fingerprints,
                overwrite=overwrite,
                keep_going=keep_going,
                engine=engine,
                role=role,
                settings=settings,
                workers=workers,
                rate_limit=rate_limit,
                lock_timeout=lock_timeout,
                on_progress=on_progress,
                token=token,
            ),
        )
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            token.cancel()
            await asyncio.wait([running])
            raise


def _names(field: str, given: object) -> tuple[str, ...]:
    if isinstance(given, str):
        return (given,)
    if isinstance(given, Iterable) and not isinstance(given, bytes | Mapping):
        found = tuple(given)
        if all(isinstance(each, str) for each in found):
            return found
    raise SpecError(field, f"must be a pattern or a list of patterns (got {given!r})")


def _mapping(field: str, given: object, example: str) -> dict[Any, Any]:
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return dict(given)
    raise SpecError(field, f"must be a mapping, as {example} (got {given!r})")
