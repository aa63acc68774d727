"""Export from Python, in one thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from polyglot_export.compressions import Compression
from polyglot_export.destinations.base import Destination
from polyglot_export.destinations.naming import choose
from polyglot_export.destinations.registry import destination
from polyglot_export.errors import SpecError
from polyglot_export.execution.export import Export
from polyglot_export.execution.opening import explain as explain_spec
from polyglot_export.execution.opening import open_export
from polyglot_export.execution.run import ExportResult, RunSettings
from polyglot_export.formats.registry import Format
from polyglot_export.library.asked import Dsn, Rows, asked
from polyglot_export.library.keywords import (
    Columns,
    Exclude,
    Filter,
    Order,
    Settings,
    Split,
    SplitValues,
    SqlWhere,
    Where,
)
from polyglot_export.limits import CHUNK_BYTES, FILE_CHUNK_BYTES
from polyglot_export.planning.plan import Plan

if TYPE_CHECKING:
    from polyglot_export.manifest.single import SingleManifest

__all__ = ["explain", "export", "export_to_file", "open_export"]


def export(
    dsn: Dsn,
    source: Rows = None,
    *,
    query: str | None = None,
    format: Format | str = Format.CSV,  # noqa: A002 - the word everyone uses
    columns: Columns | None = None,
    exclude: Exclude = (),
    filter: Filter = (),  # noqa: A002
    where: Where = (),
    sql_where: SqlWhere | None = None,
    order_by: Order = (),
    limit: int | None = None,
    split_by: Split = None,
    split_values: SplitValues = None,
    compression: Compression | str | None = None,
    options: Mapping[str, Any] | None = None,
    role: str | None = None,
    settings: Settings | None = None,
    workers: int | None = None,
    rate_limit: float | None = None,
    lock_timeout: float | None = None,
    idle_timeout: float | None = None,
) -> Export:
    """Export a table, view or query.

    Args:
        dsn: URI or key=value string; ``None`` leaves it to libpq's environment variables and files. An engine, URL,
            connection or session of SQLAlchemy and a connection of Django say how they connect: the export has
            connections of its own.
        source: ``table`` or ``schema.table``; a pair ``(sql, parameters)``; a ``select()``, table or mapped class of
            SQLAlchemy; a queryset of Django, whose own database is read where ``dsn`` is ``None``. Not together with
            ``query``.
        query: One SELECT statement.
        format: A :class:`Format` or its name.
        columns: Which ones and in which order: names, or source → target.
        exclude: Columns that are left out where all are meant: without ``columns``, or with ``"*"`` in them.
        filter: Terms that must all hold: :class:`FilterTerm`, or mappings with its members.
        where: More of them as the command line takes them: ``"id <= 3"``, or a list of such texts.
        sql_where: A condition in SQL, ``"a >= now() - interval '1 month'"``, or a pair of it and the values of its
            placeholders, ``("a >= %s", [month])``. It is parsed alone before it becomes a part of the statement.
        order_by: Sort keys: ``"name"``, ``"name:desc"``, or :class:`OrderTerm`; the primary key is added behind them.
        limit: At most so many rows.
        split_by: The column whose ranges of values several connections read, for a query or view; ``"id:8"`` makes
            eight parts of it, whatever they cost. The rows come in the order of the column.
        split_values: The same, with a part for each value of this column, or of an expression in SQL, given as a pair
            ``(sql, parameters)``.
        compression: A :class:`Compression` of the whole file, or its name; not for Parquet, which compresses inside.
        options: The format's options.
        role: The database role under which everything is looked up and read, of which the login is a member.
        settings: What is set in every session before it reads, for policies and views: ``{"app.tenant": 3}``.
        workers: Connections and threads.
        rate_limit: Bytes a second that are read at most.
        lock_timeout: Seconds to wait for a table that another session has locked; ``None`` waits as long as it takes.
        idle_timeout: Seconds after which an export that nobody pulls is ended, for a program whose client may leave
            without a word. ``None`` lets it wait.

    Returns:
        A context manager that iterates over ``bytes``.

    Raises:
        PolyglotError: As :func:`open_export`.
    """
    what = asked(
        dsn,
        source,
        role=role,
        query=query,
        format=format,
        columns=columns,
        exclude=exclude,
        filter=filter,
        where=where,
        sql_where=sql_where,
        order_by=order_by,
        limit=limit,
        split_by=split_by,
        split_values=split_values,
        compression=compression,
        options=options,
    )
    run = RunSettings(
        workers=workers,
        rate_limit=rate_limit,
        lock_timeout=lock_timeout,
        idle_timeout=idle_timeout,
        role=what.role,
        settings=settings,
    )
    return open_export(what.spec, dsn=what.dsn, exposure=what.exposure, run=run)


def explain(
    dsn: Dsn,
    source: Rows = None,
    *,
    query: str | None = None,
    format: Format | str = Format.CSV,  # noqa: A002
    columns: Columns | None = None,
    exclude: Exclude = (),
    filter: Filter = (),  # noqa: A002
    where: Where = (),
    sql_where: SqlWhere | None = None,
    order_by: Order = (),
    limit: int | None = None,
    split_by: Split = None,
    split_values: SplitValues = None,
    compression: Compression | str | None = None,
    options: Mapping[str, Any] | None = None,
    role: str | None = None,
    settings: Settings | None = None,
    workers: int | None = None,
    rate_limit: float | None = None,
    lock_timeout: float | None = None,
    idle_timeout: float | None = None,
) -> Plan:
    """How :func:`export` would read the same, from the same arguments: the plan is made in a transaction that is rolled
    back, and no row is read.

    Raises:
        PolyglotError: As :func:`open_export`.
    """
    what = asked(
        dsn,
        source,
        role=role,
        query=query,
        format=format,
        columns=columns,
        exclude=exclude,
        filter=filter,
        where=where,
        sql_where=sql_where,
        order_by=order_by,
        limit=limit,
        split_by=split_by,
        split_values=split_values,
        compression=compression,
        options=options,
    )
    run = RunSettings(
        workers=workers,
        rate_limit=rate_limit,
        lock_timeout=lock_timeout,
        idle_timeout=idle_timeout,
        application_name="polyglot explain",
        role=what.role,
        settings=settings,
    )
    return explain_spec(what.spec, dsn=what.dsn, exposure=what.exposure, run=run)


def export_to_file(
    dsn: Dsn,
    source: Rows,
    path: str | PathLike[str],
    *,
    manifest: str | PathLike[str] | None = None,
    fingerprints: bool = False,
    query: str | None = None,
    format: Format | str | None = None,  # noqa: A002
    columns: Columns | None = None,
    exclude: Exclude = (),
    filter: Filter = (),  # noqa: A002
    where: Where = (),
    sql_where: SqlWhere | None = None,
    order_by: Order = (),
    limit: int | None = None,
    split_by: Split = None,
    split_values: SplitValues = None,
    compression: Compression | str | None = None,
    options: Mapping[str, Any] | None = None,
    role: str | None = None,
    settings: Settings | None = None,
    workers: int | None = None,
    rate_limit: float | None = None,
    lock_timeout: float | None = None,
) -> ExportResult:
    """Export into a file or an object, which appears complete or not at all.

    The name says format and compression, as on the command line: ``orders.csv.gz`` is CSV, compressed by gzip.

    Args:
        dsn: As in :func:`export`.
        source: As in :func:`export`; ``None`` together with ``query=…``.
        path: The file, or the URL of an object (``s3://bucket/orders.parquet``); one that exists is replaced at the
            end. Devices and FIFOs are written directly, and ``-`` is standard output.
        manifest: A file or object for the :class:`Manifest` of the export, whose name ends in ``.json``, in the folder
            of ``path`` or above it. It is written when the file is complete; :func:`verify` reads it.
        fingerprints: Note in the manifest what the server says of each segment's rows, so that :func:`verify` can tell
            later what changed since.
        query: As in :func:`export`.
        format: Needed only where the name does not say it; CSV for devices and standard output.
        columns: As in :func:`export`.
        exclude: As in :func:`export`.
        filter: As in :func:`export`.
        where: As in :func:`export`.
        sql_where: As in :func:`export`.
        order_by: As in :func:`export`.
        limit: As in :func:`export`.
        split_by: As in :func:`export`.
        split_values: As in :func:`export`.
        compression: Needed only where the name does not say it.
        options: As in :func:`export`.
        role: As in :func:`export`.
        settings: As in :func:`export`.
        workers: Connections and threads.
        rate_limit: Bytes a second that are read at most.
        lock_timeout: Seconds to wait for a table that another session has locked; ``None`` waits as long as it takes.

    Raises:
        SpecError: Among others, the name and ``format`` or ``compression`` contradict each other, or nothing says which
            format is meant; nothing has been opened.
        TargetFailed: The file could not be written; nothing is left of it, or a note of the exception says what is.
        PolyglotError: As :func:`open_export`.
    """
    target = choose(fspath(path), format, compression)
    what = asked(
        dsn,
        source,
        role=role,
        query=query,
        format=target.format,
        columns=columns,
        exclude=exclude,
        filter=filter,
        where=where,
        sql_where=sql_where,
        order_by=order_by,
        limit=limit,
        split_by=split_by,
        split_values=split_values,
        compression=target.compression,
        options=options,
    )
    place = destination(target.path)
    chunk_bytes = CHUNK_BYTES if place.capabilities.streaming else FILE_CHUNK_BYTES
    run = RunSettings(
        workers=workers,
        chunk_bytes=chunk_bytes,
        rate_limit=rate_limit,
        lock_timeout=lock_timeout,
        role=what.role,
        settings=settings,
    )
    sheet = _sheet(target.path, manifest, fingerprints)
    try:
        with sheet or nullcontext():
            return _write(lambda: open_export(what.spec, dsn=what.dsn, exposure=what.exposure, run=run), place, sheet)
    except BaseException as error:
        if place.remains is not None:
            error.add_note(place.remains)
        raise


def _write(opener: Callable[[], Export], place: Destination, sheet: SingleManifest | None) -> ExportResult:
    """Move an export into its place, which is opened first: what is wrong with it is known before a row is read."""
    with place:
        with opener() as opened:
            if sheet is not None:
                sheet.describe(opened)
            hasher = None if sheet is None else sheet.hasher
            while place.take(opened, hasher) is not None:
                pass
            result = opened.result()
        place.commit()
    if sheet is not None:
        sheet.write(result)
    return result


def _sheet(path: str, manifest: str | PathLike[str] | None, fingerprints: bool) -> SingleManifest | None:
    """The manifest of an export, where one is asked for; others do without its modules."""
    if manifest is None:
        if fingerprints:
            raise SpecError("fingerprints", "stand in a manifest; say where it shall be written")
        return None
    from polyglot_export.manifest.single import SingleManifest

    return SingleManifest(path, fspath(manifest), fingerprints=fingerprints)
