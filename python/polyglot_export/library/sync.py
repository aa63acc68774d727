"""Export from Python, in one thread."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyglot_export.access.exposure import EVERYTHING, Exposure
from polyglot_export.cancel import CancelToken
from polyglot_export.compressions import Compression
from polyglot_export.execution.export import Export
from polyglot_export.execution.run import ExportResult, RunSettings
from polyglot_export.formats.registry import Format
from polyglot_export.library.keywords import Columns, make_spec
from polyglot_export.limits import FILE_CHUNK_BYTES
from polyglot_export.planning import make_plan
from polyglot_export.planning.plan import Plan
from polyglot_export.postgres.leader import Leader

if TYPE_CHECKING:
    from polyglot_export.request.spec import ExportSpec, FilterTerm, OrderTerm


__all__ = ["explain", "export", "export_to_file", "open_export"]


def open_export(
    spec: ExportSpec,
    *,
    dsn: str | None = None,
    exposure: Exposure = EVERYTHING,
    run: RunSettings | None = None,
    token: CancelToken | None = None,
) -> Export:
    """Connect, lock, take the snapshot and plan; no byte is read yet.

    Args:
        spec: What to export.
        dsn: URI or key=value string; ``None`` leaves it to libpq's environment variables and files.
        exposure: What may be read.
        run: Workers and sizes.
        token: A cancel of it ends the opening too, also while it waits for a lock.

    Raises:
        SpecError: The request is wrong; ``field`` says where.
        ConnectionFailed: The database cannot be reached or refused the login.
        PolyglotError: Anything else that shows before the first byte.
    """
    started = time.monotonic()
    run = run or RunSettings()
    limits = run.limits()
    source = exposure.source_of(spec)
    token = token or CancelToken()
    # As secrets.token_hex(4), which would load OpenSSL first.
    name = run.application_name or f"polyglot {os.urandom(4).hex()}"
    leader = Leader.open(dsn, application_name=name, token=token)
    try:
        planned = make_plan(leader, source, spec, limits, run.session())
        if run.settle is not None:
            planned = replace(planned, plan=run.settle(planned.plan))
        return Export(spec, planned, leader, token, started, run.rate_limit)
    except BaseException:
        leader.close()
        raise


def explain(
    spec: ExportSpec, *, dsn: str | None = None, exposure: Exposure = EVERYTHING, run: RunSettings | None = None
) -> Plan:
    """The plan of an export, made in a transaction that is rolled back; no row is read.

    Raises:
        PolyglotError: As :func:`open_export`.
    """
    run = run or RunSettings()
    limits = run.limits()
    source = exposure.source_of(spec)
    with Leader.open(dsn, application_name=run.application_name or "polyglot explain") as leader:
        return make_plan(leader, source, spec, limits).plan


def export(
    dsn: str | None,
    source: str | None = None,
    *,
    query: str | None = None,
    format: Format | str = Format.CSV,  # noqa: A002 - the word everyone uses
    columns: Columns | None = None,
    filter: Sequence[FilterTerm | Mapping[str, Any]] = (),  # noqa: A002
    order_by: Sequence[OrderTerm | Mapping[str, Any] | str] = (),
    limit: int | None = None,
    compression: Compression | str | None = None,
    options: Mapping[str, Any] | None = None,
    workers: int | None = None,
    rate_limit: float | None = None,
) -> Export:
    """Export a table, view or query.

    Args:
        dsn: URI or key=value string; ``None`` leaves it to libpq's environment variables and files.
        source: ``table`` or ``schema.table``; not together with ``query``.
        query: One SELECT statement.
        format: ``csv``, ``tsv``, ``json``, ``ndjson``, ``xml`` or ``parquet``.
        columns: Which ones and in which order: names, or source → target.
        filter: Terms that must all hold.
        order_by: Sort keys: names, or :class:`OrderTerm`; the primary key is added behind them.
        limit: At most so many rows.
        compression: ``gzip`` or ``zstd`` for the whole file; not for Parquet.
        options: The format's options.
        workers: Connections and threads.
        rate_limit: Bytes a second that are read at most.

    Returns:
        A context manager that iterates over ``bytes``.

    Raises:
        PolyglotError: As :func:`open_export`.
    """
    spec = make_spec(
        source,
        query=query,
        format=format,
        columns=columns,
        filter=filter,
        order_by=order_by,
        limit=limit,
        compression=compression,
        options=options,
    )
    return open_export(spec, dsn=dsn, run=RunSettings(workers=workers, rate_limit=rate_limit))


def export_to_file(
    dsn: str | None,
    source: str | None,
    path: str | PathLike[str],
    *,
    workers: int | None = None,
    rate_limit: float | None = None,
    **what: Any,
) -> ExportResult:
    """Export into a file: written beside it and renamed, so that the path never holds a part of an export.

    Args:
        dsn: As in :func:`export`.
        source: As in :func:`export`; ``None`` together with ``query=…``.
        path: The file; one that exists is replaced at the end.
        workers: Connections and threads.
        rate_limit: Bytes a second that are read at most.
        what: The other arguments of :func:`export`.

    Raises:
        TargetFailed: The file could not be written; nothing is left of it.
        PolyglotError: As :func:`open_export`.
    """
    from polyglot_export.destinations.file import FileSink

    spec = make_spec(source, **what)
    run = RunSettings(workers=workers, chunk_bytes=FILE_CHUNK_BYTES, rate_limit=rate_limit)
    with open_export(spec, dsn=dsn, run=run) as opened, FileSink(Path(path)) as sink:
        for chunk in opened:
            sink.write(chunk)
        sink.commit()
        return opened.result()
