"""The bytes of one response, for WSGI and for ASGI."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, MutableMapping
from typing import Any, Self

from django.http import HttpRequest

from polyglot_export.cancel import CancelToken
from polyglot_export.errors import InternalError
from polyglot_export.execution.export import Export
from polyglot_export.execution.feed import ChunkFeed
from polyglot_export.integrations.cut import break_off
from polyglot_export.integrations.django import runserver
from polyglot_export.integrations.opening import Opening
from polyglot_export.integrations.pace import Watch

__all__ = ["Body", "Ready"]


class Body:
    """An open export whose first chunk has been taken.

    A class and no generator: a server closes a response even where it has not begun to read it (a client that left
    early), and closing a generator that has not begun would run nothing of it, so that the export would stay open.
    """

    def __init__(self, opening: Opening, watch: Watch, request: HttpRequest) -> None:
        """Open it.

        Args:
            opening: The export.
            watch: Of the client.
            request: What is answered.

        Raises:
            PolyglotError: It failed before its first byte.
        """
        scope: MutableMapping[str, Any] | None = getattr(request, "scope", None)
        self.asynchronous = scope is not None
        self._environ = request.META
        self._opening = opening
        self._watch = watch
        self._scope = scope
        self._token = CancelToken()
        self._begun = False
        self._closed = False
        try:
            # A server's thread waits for a client that takes nothing, and cannot look at the time meanwhile.
            self._export = opening.open(self._token, idle_timeout=watch.seconds)
            self._first = self._pull()
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        try:
            self._watch.end()
            chunk = self._take_first() if not self._begun else self._pull()
        except BaseException:
            runserver.cut(self._environ)
            raise
        if chunk is None:
            self.close()
            raise StopIteration
        self._watch.begin(len(chunk))
        return chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._begun:
            # Of what a middleware has read the beginning, the rest would be nothing, and end in good order.
            raise InternalError("the body of an export is read once, by one iterator")
        feed = ChunkFeed(self._adopted)
        try:
            if (chunk := self._take_first()) is not None:
                await feed.start()
            while chunk is not None:
                self._watch.begin(len(chunk))
                yield chunk
                self._watch.end()
                chunk = await feed.next_chunk()
        except (GeneratorExit, asyncio.CancelledError):
            # The client has left, or the server ends: there is nothing to be withheld.
            raise
        except BaseException as error:
            if self._scope is not None:
                break_off(self._scope, error)
            raise
        finally:
            await feed.aclose()
            self.close()

    def close(self) -> None:
        """End the queries; called by Django when the response is over, whatever its end was."""
        self._closed = True
        self._token.cancel()
        export: Export | None = getattr(self, "_export", None)
        try:
            if export is not None:
                export.close()
        finally:
            self._opening.release()

    def __del__(self) -> None:
        # Django does not close a response that a view dropped by an error, or a middleware by one of its own. Its share
        # would be missing for as long as the process lives.
        if not getattr(self, "_closed", True):
            try:
                warnings.warn("an ExportResponse was not closed", ResourceWarning, source=self, stacklevel=1)
            finally:
                self.close()

    def _take_first(self) -> bytes | None:
        self._begun = True
        first, self._first = self._first, None
        return first

    def _pull(self) -> bytes | None:
        return self._export.next_chunk()

    def _adopted(self, token: CancelToken) -> Export:
        """The export for the thread of a feed: whichever of the two is cancelled, both are."""
        token.on_cancel(self._token.cancel)
        self._token.on_cancel(token.cancel)
        return self._export


class Ready:
    """A body that is there, for either kind of server."""

    def __init__(self, content: bytes, request: HttpRequest) -> None:
        self.asynchronous = hasattr(request, "scope")
        self._content = content

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        content, self._content = self._content, b""
        if not content:
            raise StopIteration
        return content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content
