"""Export from Python, in one thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyglot_export.compressions import Compression
from polyglot_export.execution.export import Export
from polyglot_export.execution.opening import explain, open_export
from polyglot_export.execution.run import ExportResult, RunSettings
from polyglot_export.formats.registry import Format
from polyglot_export.library.keywords import Columns, make_spec
from polyglot_export.limits import FILE_CHUNK_BYTES

if TYPE_CHECKING:
    from polyglot_export.request.spec import FilterTerm, OrderTerm


__all__ = ["explain", "export", "export_to_file", "open_export"]


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
