"""An export as a response of Django."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Self

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import HttpRequest, StreamingHttpResponse

from polyglot_export.compressions import Compression
from polyglot_export.errors import InternalError, PolyglotError
from polyglot_export.formats.registry import Format
from polyglot_export.integrations.answers import HTTP_1_0, RANGED, Refusal, file_headers, is_http_1_0, refusal_of
from polyglot_export.integrations.django.body import Body, Ready
from polyglot_export.integrations.opening import Opening, wanted
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
from polyglot_export.sources.django import is_queryset

__all__ = ["ExportResponse"]


class ExportResponse(StreamingHttpResponse):  # type: ignore[misc]  # Django has no types
    """An export as the answer: ``return ExportResponse(request, Order.objects.filter(tenant=…), filename="o.csv")``.

    The export is opened and its first chunk is taken before there is a response. One that is refused is a small JSON
    answer with a status of its own: 400 for a wrong request, 403 where the login may not read, 426 for HTTP/1.0, 503
    with ``Retry-After`` where there is no room. Anything else is raised, which is a 500 of the project. After that a
    failure is a broken transfer.

    In an ``async`` view write ``return await ExportResponse.open(request, …)``.

    Memory:
        What the export holds, which comes from the share of the process (``polyglot_export.integrations.limits``).
        Under ASGI nothing is collected.
    """

    def __init__(
        self,
        request: HttpRequest,
        source: Rows = None,
        *,
        dsn: Dsn = None,
        using: str = "default",
        filename: str | None = None,
        headers: Mapping[str, str] | None = None,
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
        """Open the export.

        Args:
            request: What is answered.
            source: A queryset, the name of a table or view, or a pair ``(sql, parameters)``.
            dsn: Of the database, in place of ``using``.
            using: Which of ``DATABASES``. A queryset knows its own.
            filename: What the browser calls the file: any name. The table's and the format's ending by default.
            headers: More of them.
            min_rate: Bytes a second that the client must take on average over ``idle_timeout`` seconds; with 0 any
                chunk will do.
            idle_timeout: Seconds after which an export is ended whose client took no chunk.
            query: One SELECT statement, in place of a source. Never a client's text.
            format: Of the file.
            columns: As in :func:`polyglot_export.export`, and so are all that are not told here.
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

        Raises:
            PolyglotError: It failed before its first byte, by a fault of the server's.
        """
        _refuse_event_loop()
        try:
            watch = Watch(min_rate, idle_timeout)
            if dsn is None and not is_queryset(source):
                dsn = connections[using]
            asked = wanted(
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
            refusal = _unsafe(request)
            described = file_headers(asked.what.spec, filename, stem=_table(source))
            body = None
            if refusal is None and request.method != "HEAD":
                body = Body(Opening(asked), watch, request)
        except PolyglotError as error:
            refusal, body = refusal_of(error), None
            if refusal is None:
                raise
        if refusal is not None:
            content, described = _refusal(refusal)
            super().__init__(Ready(content, request), status=refusal.status, headers=described)
            return
        try:
            super().__init__(Ready(b"", request) if body is None else body, headers={**described, **(headers or {})})
        except BaseException:
            # A header that Django refuses.
            if body is not None:
                body.close()
            raise

    @classmethod
    async def open(cls, *arguments: Any, **keywords: Any) -> Self:
        """The same in an ``async`` view; the arguments are those of the class."""
        opening = asyncio.ensure_future(sync_to_async(cls)(*arguments, **keywords))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The client has left. What is opened meanwhile in the thread is closed there.
            opening.add_done_callback(_close)
            raise

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body for ASGI: without Django's own generators around it, which would leave its end to the garbage
        collector.
        """
        inner = self._iterator
        return aiter(inner) if isinstance(inner, Body | Ready) else super().__aiter__()

    @property
    def is_async(self) -> bool:
        """Whether a middleware that puts something around the body must do that asynchronously."""
        inner = getattr(self, "_iterator", None)
        return inner.asynchronous if isinstance(inner, Body | Ready) else self._is_async

    @is_async.setter
    def is_async(self, value: bool) -> None:
        self._is_async = value


def _table(source: object) -> str | None:
    """What a queryset's file is called."""
    options = getattr(getattr(source, "model", None), "_meta", None)
    return None if options is None else str(options.db_table)


def _unsafe(request: HttpRequest) -> Refusal | None:
    """The refusal of a request whose answer could not be told whole from broken."""
    scope = getattr(request, "scope", None)
    version = scope["http_version"] if scope is not None else request.META.get("SERVER_PROTOCOL", "")
    if is_http_1_0(version):
        # WSGI leaves the headers of the connection to the server (PEP 3333).
        return HTTP_1_0 if scope is not None else HTTP_1_0._replace(headers={})
    return RANGED if "Range" in request.headers else None


def _refusal(refusal: Refusal) -> tuple[bytes, dict[str, str]]:
    content = json.dumps({"detail": refusal.detail}).encode()
    described = {"Content-Type": "application/json", "Content-Length": str(len(content)), "Cache-Control": "no-store"}
    return content, {**refusal.headers, **described}


def _close(opened: asyncio.Future[ExportResponse]) -> None:
    if not opened.cancelled() and opened.exception() is None:
        opened.result().close()


def _refuse_event_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise InternalError("opening an export would block the event loop; write: await ExportResponse.open(request, …)")
