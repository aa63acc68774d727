"""An export as rows in memory, for data frames: by Arrow's PyCapsule interface, which needs no package of Arrow here.

https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from polyglot_export import _core
from polyglot_export.errors import PolyglotError, SpecError
from polyglot_export.execution.engines.batches import BatchEngine
from polyglot_export.execution.export import Export
from polyglot_export.execution.opening import open_export
from polyglot_export.execution.run import ExportResult, Progress, RunSettings
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
from polyglot_export.planning.plan import Plan

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

__all__ = ["ArrowExport", "export_arrow"]

Frame = TypeVar("Frame")


def export_arrow(
    dsn: Dsn,
    source: Rows = None,
    *,
    query: str | None = None,
    columns: Columns | None = None,
    exclude: Exclude = (),
    filter: Filter = (),  # noqa: A002 - the words of export()
    where: Where = (),
    sql_where: SqlWhere | None = None,
    order_by: Order = (),
    limit: int | None = None,
    split_by: Split = None,
    split_values: SplitValues = None,
    options: Mapping[str, Any] | None = None,
    role: str | None = None,
    settings: Settings | None = None,
    workers: int | None = None,
    rate_limit: float | None = None,
    lock_timeout: float | None = None,
    idle_timeout: float | None = None,
) -> ArrowExport:
    """Export a table, view or query as batches of Arrow in memory, for a data frame::

        frame = polars.DataFrame(export_arrow(dsn, "orders"))

    Whatever takes an object with ``__arrow_c_stream__`` takes the result: polars, pyarrow, DuckDB, pandas and others.
    No row is read before it asks for the first batch; batches then go over without a copy.

    Args:
        dsn: As in :func:`export`.
        source: As in :func:`export`; not together with ``query``.
        query: One SELECT statement.
        columns: As in :func:`export`.
        exclude: As in :func:`export`.
        filter: As in :func:`export`.
        where: As in :func:`export`.
        sql_where: As in :func:`export`.
        order_by: As in :func:`export`.
        limit: At most so many rows.
        split_by: The column whose ranges of values several connections read, for a query or view; ``"id:8"`` makes
            eight parts of it, whatever they cost. The rows come in the order of the column.
        split_values: The same, with a part for each value of this column, or of an expression in SQL, given as a pair
            ``(sql, parameters)``.
        options: Those of the format ``arrow`` that are about types: ``numericFallback``, ``unrepresentable``,
            ``time24``, ``arrays``, ``geometry``, ``timeZone``.
        role: As in :func:`export`.
        settings: As in :func:`export`.
        workers: Connections and threads.
        rate_limit: Bytes of batches a second that are read at most.
        lock_timeout: Seconds to wait for a table that another session has locked; ``None`` waits as long as it takes.
        idle_timeout: Seconds after which an export that nobody pulls is ended. ``None`` lets it wait.

    Raises:
        PolyglotError: As :func:`open_export`.
    """
    if options is not None and "compression" in options:
        raise SpecError("options.compression", "is for files; batches in memory are not compressed")
    what = asked(
        dsn,
        source,
        role=role,
        query=query,
        format=Format.ARROW,
        columns=columns,
        exclude=exclude,
        filter=filter,
        where=where,
        sql_where=sql_where,
        order_by=order_by,
        limit=limit,
        split_by=split_by,
        split_values=split_values,
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
    opened = open_export(what.spec, dsn=what.dsn, exposure=what.exposure, run=run, engine=BatchEngine())
    return ArrowExport(opened)


class ArrowExport:
    """The rows of one export as batches of Arrow: given to a reader as a whole, or iterated over, once.

    Its connections are closed when the last batch was taken, when the reader wants no more, and by ``with``. A failure
    reaches the reader as an error of its own, which quotes ours; :attr:`failure` has ours.

    Memory:
        Batches of 4 MB: one a worker, and 16 MB of them that wait. Workers wait while the reader does not read.
    """

    def __init__(self, export: Export) -> None:
        """Use :func:`export_arrow`."""
        self._export = export
        self._schema = _core.ArrowSchema(export.plan)
        self._taken = False
        self._interrupt: BaseException | None = None

    @property
    def plan(self) -> Plan:
        """How it is read."""
        return self._export.plan

    @property
    def snapshot(self) -> str:
        """The identifier of the snapshot that all rows are seen in."""
        return self._export.snapshot

    @property
    def failure(self) -> PolyglotError | None:
        """Why it has failed; a reader may have raised an error of its own."""
        return self._export.failure

    def progress(self) -> Progress:
        """How far the export is; never blocks. Bytes are those of the batches in memory."""
        return self._export.progress()

    def result(self) -> ExportResult:
        """The result of a complete export.

        Raises:
            InternalError: The export is not complete.
        """
        return self._export.result()

    def cancel(self) -> None:
        """Cancel the queries in the server; the reader gets an error. Any thread may call this; it does not block."""
        self._export.cancel()

    def close(self) -> None:
        """Stop what still runs and close every connection. May be called again."""
        self._export.close()

    def to_arrow(self) -> pa.Table:
        """All rows as a table of pyarrow, which has to be installed.

        Raises:
            PolyglotError: The export has failed.
        """
        import pyarrow as pa

        return self._read(pa.table)

    def to_polars(self) -> pl.DataFrame:
        """All rows as a frame of polars, which has to be installed.

        Raises:
            PolyglotError: The export has failed.
        """
        import polars as pl

        return self._read(pl.DataFrame)

    def to_pandas(self) -> pd.DataFrame:
        """All rows as a frame of pandas, which has to be installed, and pyarrow with it. Columns have the types of
        Arrow, which keep every digit, and NULL among whole numbers.

        Raises:
            PolyglotError: The export has failed.
        """
        import pandas as pd

        return self.to_arrow().to_pandas(types_mapper=pd.ArrowDtype)

    def __arrow_c_schema__(self) -> object:
        """The columns."""
        return self._schema.capsule()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """All batches, for one reader. A schema that is asked for is passed over, as the interface allows.

        Raises:
            SpecError: They were given to a reader before.
        """
        self._take()
        return self._schema.reader(self._next, self.close)

    def __iter__(self) -> Iterator[_core.ArrowBatch]:
        """The batches one by one: each has ``__arrow_c_array__``, and ``pyarrow.record_batch`` takes it."""
        self._take()
        return iter(self._next, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._export).replace("<Export", "<ArrowExport", 1)

    def _take(self) -> None:
        if self._taken:
            raise SpecError(
                None, "the batches of an export are read once; call export_arrow() again for another reader"
            )
        self._taken = True

    def _next(self) -> _core.ArrowBatch | None:
        try:
            batch = cast("_core.ArrowBatch | None", self._export.next_chunk())
        except BaseException as error:
            if not isinstance(error, PolyglotError):
                # Ctrl-C: the reader only sees that this failed.
                self._interrupt = error
            self.close()
            raise
        if batch is None:
            self.close()
        return batch

    def _read(self, reader: Callable[[ArrowExport], Frame]) -> Frame:
        """What a reader makes of all rows; our error in place of the one that it raises for it."""
        with self:
            try:
                return reader(self)
            except Exception as error:
                ours = self.failure or self._interrupt
                if ours is None and KeyboardInterrupt.__name__ in str(error):
                    # It came when _next had been called and had not begun; the reader has kept only its name.
                    ours = KeyboardInterrupt()
                if ours is not None:
                    raise ours from None
                raise
