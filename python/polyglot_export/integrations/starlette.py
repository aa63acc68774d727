"""An export as a response of Starlette and what is made of it, FastAPI before all.

The rules are those of the service's own downloads: the first chunk is there before the status is sent, so that an early
failure has a status of its own; one task waits for the client to leave; the body ends only after the export said that
it is complete; the export is closed here and not by the garbage collector.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Never

from starlette.exceptions import HTTPException
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from polyglot_export.compressions import Compression
from polyglot_export.errors import Cancelled, PolyglotError
from polyglot_export.execution.feed import ChunkFeed
from polyglot_export.execution.watched import unless
from polyglot_export.formats.registry import Format
from polyglot_export.integrations.answers import HTTP_1_0, RANGED, Refusal, file_headers, is_http_1_0, refusal_of
from polyglot_export.integrations.cut import CutBroken, break_off, is_guarded
from polyglot_export.integrations.opening import Opening, Wanted, wanted
from polyglot_export.integrations.pace import IDLE_SECONDS, Watch
from polyglot_export.library.asked import Dsn, Rows
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

if TYPE_CHECKING:
    from starlette.background import BackgroundTask

__all__ = ["CutBroken", "ExportResponse"]

_log = logging.getLogger(__name__)
_warned: set[str] = set()


class ExportResponse(Response):
    """An export as the answer: ``return ExportResponse(engine, select(Order), filename="orders.csv")``.

    Whole or visibly broken: an export that fails in its middle is a broken transfer for its client. Around the app has
    to be :class:`CutBroken` where it has a middleware made with ``@app.middleware("http")``.

    An export that fails before its first byte is raised as ``HTTPException`` (400 for a wrong request, 403 where the
    login may not read, 503 with ``Retry-After`` where there is no room) unless the app has a handler for the error's
    own class; anything else is raised as it is, which is a 500 of the app.

    Memory:
        What the export holds, which comes from the share of the process (``polyglot_export.integrations.limits``).
    """

    def __init__(
        self,
        dsn: Dsn,
        source: Rows = None,
        *,
        filename: str | None = None,
        headers: Mapping[str, str] | None = None,
        background: BackgroundTask | None = None,
        min_rate: float = 0,
        idle_timeout: float = IDLE_SECONDS,
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
    ) -> None:
        """Set up; nothing is opened before the response is sent.

        Args:
            dsn: An engine or session of SQLAlchemy, or a connection string, as in :func:`polyglot_export.export`. All
                that is not told here is as it is there.
            source: A table or view, a pair ``(sql, parameters)``, or a ``select()`` of SQLAlchemy.
            filename: What the browser calls the file: any name. The table's and the format's ending by default.
            headers: More of them.
            background: Run after a body that was sent whole.
            min_rate: Bytes a second that the client must take on average over ``idle_timeout`` seconds; with 0 any
                byte will do.
            idle_timeout: Seconds after which a client is cut off that takes less than that.
            query: One SELECT statement, in place of a source. Never a client's text.
            format: Of the file.
            columns: Which, and in which order.
            exclude: Columns that are left out.
            filter: Terms that must all hold, as data.
            where: The same as texts.
            sql_where: A condition in SQL, or a pair of it and its values. Never a client's text.
            order_by: Sort keys.
            limit: At most so many rows.
            split_by: The column whose ranges of values several connections read, for a query or view; ``"id:8"`` makes
                eight parts of it, whatever they cost. The rows come in the order of the column.
            split_values: The same, with a part for each value of this column, or of an expression in SQL, given as a
                pair ``(sql, parameters)``; a text alone, as a client may have sent it, is a column.
            compression: Of the whole file, which stays compressed: ``orders.csv.gz``.
            options: Of the format.
            role: The database role under which everything is read.
            settings: What is set in every session before it reads, for policies and views: ``{"app.tenant": 3}``.
            workers: Connections and threads, at most.
            rate_limit: Bytes a second that are read at most.
            lock_timeout: Seconds to wait for a table that another session has locked.
        """
        super().__init__(headers=headers, background=background)
        # Response counts the bytes of its body; the length of a stream is not known.
        del self.headers["content-length"]
        self._filename = filename
        self._started = False
        self._watch = Watch(min_rate, idle_timeout)
        self._failure: PolyglotError | None = None
        try:
            self._wanted: Wanted | None = wanted(
                dsn,
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
                role=role,
                settings=settings,
                workers=workers,
                rate_limit=rate_limit,
                lock_timeout=lock_timeout,
            )
        except PolyglotError as error:
            # Raised where every other failure before the first byte is, so that an app handles them in one place.
            self._wanted, self._failure = None, error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open the export and stream it.

        Raises:
            HTTPException: It is refused; nothing has been sent.
            PolyglotError: It failed. Where its body had begun, the server cuts the connection.
        """
        try:
            await self._answer(scope, receive, send)
        except PolyglotError as error:
            raised = error
        else:
            return
        handlers = getattr(scope.get("app"), "exception_handlers", {})
        refusal = None if any(each in handlers for each in type(raised).__mro__[:-3]) else refusal_of(raised)
        if refusal is None or self._started:
            raise raised
        raise _http(refusal) from raised

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_http_1_0(scope["http_version"]):
            raise _http(HTTP_1_0)
        if any(name == b"range" for name, _ in scope["headers"]):
            raise _http(RANGED)
        if self._wanted is None:
            raise self._failure or Cancelled("nothing is exported")
        for name, value in file_headers(self._wanted.what.spec, self._filename).items():
            self.headers.setdefault(name, value)
        if scope["method"] == "HEAD":
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        _warn_of_middleware(scope, receive)
        opening = Opening(self._wanted)
        feed = ChunkFeed(opening.open)
        try:
            await unless(self._deliver(feed, send), _until_gone(receive), self._watch.forever())
        except _Gone:
            return
        except BaseException as error:
            if self._started:
                break_off(scope, error)
            raise
        finally:
            feed.cancel()
            try:
                await feed.aclose()
            finally:
                opening.release()
        if self.background is not None:
            await self.background()

    async def _deliver(self, feed: ChunkFeed, send: Send) -> None:
        await feed.start()
        chunk = await feed.next_chunk()
        self._started = True
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        while chunk is not None:
            self._watch.begin(len(chunk))
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            self._watch.end()
            chunk = await feed.next_chunk()
        # The database is let go before the client is waited for.
        await feed.aclose()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Gone(Exception):
    """The client has closed its connection."""


async def _until_gone(receive: Receive) -> Never:
    while (await receive())["type"] != "http.disconnect":
        pass
    raise _Gone


def _http(refusal: Refusal) -> HTTPException:
    return HTTPException(refusal.status, refusal.detail, headers=refusal.headers)


def _warn_of_middleware(scope: Scope, receive: Receive) -> None:
    """Say once that a broken export would look whole."""
    if is_guarded(scope) or "middleware" in _warned:
        return
    listed = [each.cls for each in getattr(scope.get("app"), "user_middleware", ())]
    between = any(isinstance(each, type) and issubclass(each, BaseHTTPMiddleware) for each in listed)
    if between or getattr(receive, "__module__", "") == BaseHTTPMiddleware.__module__:
        _warned.add("middleware")
        _log.warning(
            'a middleware made with @app.middleware("http") or BaseHTTPMiddleware ends the body of an export that '
            "failed as if it were whole; wrap the app: app = CutBroken(app), from "
            "polyglot_export.integrations.fastapi"
        )
