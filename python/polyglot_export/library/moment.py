"""Several exports of one moment, from Python."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

from psycopg.conninfo import conninfo_to_dict

from polyglot_export.cancel import CancelToken
from polyglot_export.compressions import Compression
from polyglot_export.errors import SpecError
from polyglot_export.execution.export import Export
from polyglot_export.execution.opening import open_part, open_shared
from polyglot_export.execution.run import RunSettings
from polyglot_export.formats.registry import Format
from polyglot_export.library.aio import AsyncExport
from polyglot_export.library.asked import Asked, Dsn, Rows, asked
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
from polyglot_export.planning.shared_moment import SharedMoment
from polyglot_export.postgres.borrowed import borrow

__all__ = ["AsyncMoment", "OneMoment", "amoment", "moment"]


class OneMoment:
    """A moment of the database: all that is exported of it is of one snapshot. It holds a connection and locks: close
    it, best by ``with``.
    """

    def __init__(self, dsn: Dsn, given: tuple[Rows, ...], run: RunSettings, token: CancelToken | None = None) -> None:
        """Use :func:`moment`."""
        self._dsn = dsn
        every = [asked(dsn, each, role=run.role) for each in given]
        if every:
            # A queryset knows its database where nobody names one, and a session may have one for each class.
            self._where, role = every[0].dsn, every[0].role
        else:
            self._where, borrowed_role, *_ = borrow(dsn)
            role = borrowed_role if run.role is None else run.role
        for each in every:
            self._see_same_database(each)
        run = replace(run, role=role)
        sources = [each.exposure.source_of(each.spec) for each in every]
        self._shared: SharedMoment = open_shared(sources, dsn=self._where, run=run, token=token)
        self._running: WeakSet[Export] = WeakSet()
        self._closed = False

    @property
    def snapshot(self) -> str:
        """The identifier of the snapshot, for sessions of your own (``SET TRANSACTION SNAPSHOT``)."""
        return self._shared.snapshot

    def export(
        self,
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
        workers: int | None = None,
        rate_limit: float | None = None,
        idle_timeout: float | None = None,
        token: CancelToken | None = None,
    ) -> Export:
        """Export a table, view, query or statement of this moment; the arguments are those of
        :func:`polyglot_export.export`. Several may run at the same time, in a thread each.

        Raises:
            SourceChanged: The moment was not opened with it, and it has changed since.
            PolyglotError: As :func:`open_export`.
        """
        what = asked(
            self._dsn,
            source,
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
        self._see_same_database(what)
        run = RunSettings(workers=workers, rate_limit=rate_limit, idle_timeout=idle_timeout)
        return self._open(what, run, token or CancelToken())

    def close(self) -> None:
        """End the moment, and what is still exported of it. Idempotent."""
        self._closed = True
        for each in list(self._running):
            each.close()
        self._shared.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _see_same_database(self, what: Asked) -> None:
        """Querysets and classes may be of several databases; what is read here is one.

        Raises:
            SpecError: This one is of another.
        """
        # A name or a text is of no database.
        of_none = self._dsn is None and what.dsn is None
        if not of_none and what.dsn != self._where and _server(what.dsn) != _server(self._where):
            raise SpecError("source", "is of another database than the moment; open a moment for each")

    def _open(self, what: Asked, run: RunSettings, token: CancelToken) -> Export:
        if self._closed:
            raise SpecError(None, "the moment is closed: export inside of its with block")
        export = open_part(self._shared, what.spec, exposure=what.exposure, run=run, token=token)
        self._running.add(export)
        return export


def _server(conninfo: str | None) -> dict[str, Any]:
    """Everything but the password, which may be a token that is another one each time."""
    return {name: value for name, value in conninfo_to_dict(conninfo or "").items() if name != "password"}


def moment(
    dsn: Dsn,
    *sources: Rows,
    role: str | None = None,
    settings: Settings | None = None,
    lock_timeout: float | None = None,
) -> OneMoment:
    """Take one moment for several exports::

        with moment(dsn, "orders", "customers") as m:
            with m.export("orders") as chunks: ...
            with m.export("customers", format="parquet") as chunks: ...

    Args:
        dsn: As in :func:`export`.
        sources: What will be exported: it is locked before the snapshot is taken. Anything else may be exported too, if
            nobody has changed it since.
        role: As in :func:`export`, for all of them.
        settings: As in :func:`export`, for all of them.
        lock_timeout: Seconds to wait for a table that another session has locked; ``None`` waits as long as it takes.

    Raises:
        PolyglotError: As :func:`open_export`.
    """
    return OneMoment(dsn, sources, RunSettings(role=role, settings=settings, lock_timeout=lock_timeout))


class AsyncMoment:
    """The same for ``async with``; its exports are :class:`polyglot_export.AsyncExport`."""

    def __init__(self, dsn: Dsn, given: tuple[Rows, ...], run: RunSettings) -> None:
        """Use :func:`amoment`."""
        self._dsn = dsn
        self._given = given
        self._run = run
        self._token = CancelToken()
        self._moment: OneMoment | None = None

    async def __aenter__(self) -> Self:
        with ThreadPoolExecutor(1, "polyglot-moment") as own:
            opening = asyncio.get_running_loop().run_in_executor(
                own, lambda: OneMoment(self._dsn, self._given, self._run, self._token)
            )
            try:
                self._moment = await asyncio.shield(opening)
            except asyncio.CancelledError:
                self._token.cancel()
                await asyncio.wait([opening])
                if opening.exception() is None:
                    opening.result().close()
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._moment is not None:
            await asyncio.to_thread(self._moment.close)

    @property
    def snapshot(self) -> str:
        """The identifier of the snapshot."""
        return self._opened().snapshot

    def export(self, source: Rows = None, **what: Any) -> AsyncExport:
        """As :meth:`OneMoment.export`, with its arguments; what it raises is raised by ``async with``."""
        opened = self._opened()
        return AsyncExport(lambda token: opened.export(source, token=token, **what))

    def _opened(self) -> OneMoment:
        if self._moment is None:
            raise SpecError(None, "the moment is not open: write async with amoment(…) as m, and export inside it")
        return self._moment


def amoment(
    dsn: Dsn,
    *sources: Rows,
    role: str | None = None,
    settings: Settings | None = None,
    lock_timeout: float | None = None,
) -> AsyncMoment:
    """Take one moment for several exports in an event loop; the arguments are those of :func:`moment`.

    Raises:
        PolyglotError: By ``async with``, as :func:`moment`.
    """
    return AsyncMoment(dsn, sources, RunSettings(role=role, settings=settings, lock_timeout=lock_timeout))
