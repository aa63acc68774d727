"""The same export for asyncio: one thread an export, which opens it and pulls its chunks into a short queue.

A thread of our own, not the loop's shared pool: an export holds it for as long as it runs. It costs about half the CPU
that handing each chunk to a pool does.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Any, Self

from polyglot_export.cancel import CancelToken
from polyglot_export.compressions import Compression
from polyglot_export.errors import SpecError
from polyglot_export.execution.export import Export
from polyglot_export.execution.feed import ChunkFeed
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

__all__ = ["AsyncExport", "aexport"]


class AsyncExport:
    """An export for ``async with`` and ``async for``; the counterpart of :class:`polyglot_export.Export`."""

    def __init__(self, opener: Callable[[CancelToken], Export]) -> None:
        self._feed = ChunkFeed(opener)
        self._export: Export | None = None

    async def __aenter__(self) -> Self:
        try:
            self._export = await self._feed.start()
        except BaseException:
            await self._feed.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._feed.aclose()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        self._opened()
        chunk = await self._feed.next_chunk()
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    @property
    def plan(self) -> Plan:
        """How it is read."""
        return self._opened().plan

    @property
    def snapshot(self) -> str:
        """The identifier of the snapshot that all rows are seen in."""
        return self._opened().snapshot

    def progress(self) -> Progress:
        """How far the export is; never blocks."""
        return self._opened().progress()

    def result(self) -> ExportResult:
        """What the export was, once it is complete."""
        return self._opened().result()

    def cancel(self) -> None:
        """Cancel the queries in the server. Does not block."""
        self._feed.cancel()

    async def aclose(self) -> None:
        """Stop what still runs and release every connection. Idempotent."""
        await self._feed.aclose()

    def __del__(self) -> None:
        feed = getattr(self, "_feed", None)
        if feed is not None and feed.running:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=1)
            feed.cancel()

    def _opened(self) -> Export:
        if self._export is None:
            raise SpecError(
                None,
                "the export is not open: write async with aexport(…) as chunks, and inside it async for … in chunks",
            )
        return self._export


def aexport(
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
) -> AsyncExport:
    """Export a table, view or query in an event loop; the arguments are those of :func:`polyglot_export.export`.

    Raises:
        SpecError: The request is wrong. What only the database knows is raised by ``async with``.
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
    return AsyncExport(lambda token: open_export(what.spec, dsn=what.dsn, exposure=what.exposure, run=run, token=token))
