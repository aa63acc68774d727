"""The answer with a file that is there: whole or in ranges, with the validators that let a client resume it.

Starlette's ``FileResponse`` answers a malformed range with 400, refuses all ranges when one of them has no byte,
answers a HEAD with 206, looks at no condition but If-Range, and opens the file after the status was sent. So this is
our own.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.types import Message, Receive, Scope, Send

from polyglot_export.admission.budget import MemoryBudget
from polyglot_export.execution.watched import Watcher
from polyglot_export.service.callers import Caller
from polyglot_export.service.errors import ClientGone, Revoked, SlowClient
from polyglot_export.service.http.clients import while_connected
from polyglot_export.service.http.connection import EXTENSION, Connection
from polyglot_export.service.logs import event
from polyglot_export.service.revocations import Revocations
from polyglot_export.service.streams.gated import GatedResponse
from polyglot_export.service.streams.pace import LeastPace
from polyglot_export.service.streams.ranges import Part, Selection

__all__ = ["CHUNK", "FileResponse", "FileTerms", "OpenFile", "Opener"]

CHUNK = 256 << 10
"""Bytes that are read and sent at once: 0.44 CPU seconds per GiB. With 512 KB it is 0.38, for twice the memory of each
client that is slow; with 1 MB 0.76, since the allocator maps and unmaps each chunk."""

_log = logging.getLogger(__name__)


class OpenFile(Protocol):
    """A file that can be read."""

    async def read(self, size: int, at: int) -> bytes:
        """Bytes from a place on, at least one. When the task is cancelled, nothing reads from the file any more that
        :meth:`close` could disturb.

        Raises:
            Exception: They cannot be read, or the file is another one by now.
        """

    def close(self) -> None:
        """It is not read any more."""


Opener = Callable[[], Awaitable[OpenFile]]
"""Opens the file; raises what is to be answered where that does not work."""


@dataclass(frozen=True, slots=True)
class FileTerms:
    """Under what terms files are sent."""

    budget: MemoryBudget
    """Where the memory of a response comes from."""
    queue_timeout: float
    """Seconds to wait for it."""
    least_pace: LeastPace
    """A client that takes less is cut off; it may come back for the rest."""
    revocations: Revocations
    """One that is not known any more is cut off where the settings say so."""


class FileResponse(GatedResponse):
    """A file or parts of it. A client that is too slow is cut off, as one of a stream; it may come back for the rest.

    Memory:
        One chunk, which comes from the budget of the exports: many clients may be slow at the same time.
    """

    def __init__(
        self,
        opener: Opener,
        terms: FileTerms,
        caller: Caller,
        selection: Selection,
        size: int,
        headers: Mapping[str, str],
        *,
        sha256: str | None = None,
    ) -> None:
        """Set up; the file is opened when the response is called.

        Args:
            opener: Opens it.
            terms: Memory and pace.
            caller: Who gets it, and whose share of the memory it takes.
            selection: Which part of it.
            size: Of the whole file.
            headers: Of the whole file.
            sha256: What the whole file must have, where that has not been looked at: an answer with all of it is cut
                before its end if it has another one.
        """
        self._opener = opener
        self._terms = terms
        self._caller = caller
        self._sha256 = sha256
        self._size = size
        self._body, described = _body(selection, size, headers)
        super().__init__(status_code=selection.status, headers={**headers, **described})
        if selection.status == 304:
            # RFC 9110, section 15.4.5: without what describes a body.
            for name in ("content-type", "content-disposition", "content-encoding"):
                del self.headers[name]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; see the class.

        Raises:
            Busy: There is no memory for it now.
            PolyglotError: The file cannot be opened, or the gate is closed.
        """
        sending = _Sending(self._body, self._digest(), send, scope["extensions"][EXTENSION])
        bare = scope["method"] == "HEAD" or self.status_code == 304
        revoked = self._terms.revocations.until_revoked(self._caller)
        await sending.watched(receive, self._send(sending, bare=bare), self._terms.least_pace, revoked)

    async def _send(self, sending: _Sending, *, bare: bool) -> None:
        """All of it is done for the client: also the file is not opened, and no memory waited for, for one that has
        left.
        """
        start: Message = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        file = await self._opener()
        try:
            if bare:
                await sending.begin(start)
                await sending.end()
                return
            with await self._terms.budget.reserve(CHUNK, self._terms.queue_timeout, self._caller.name):
                await self.gate()
                await sending.begin(start)
                await sending.deliver(file)
        finally:
            file.close()

    def _digest(self) -> _Digest | None:
        whole = len(self._body) == 1 and self._body[0] == Part(0, self._size)
        return _Digest(self._sha256, self._size) if self._sha256 is not None and whole else None


class _Digest:
    """Reads a whole file along, so that its end is sent only if it is the right file."""

    def __init__(self, sha256: str, size: int) -> None:
        self._sha256 = sha256
        self._left = size
        self._hasher = hashlib.sha256()

    def update(self, chunk: bytes) -> None:
        """The next bytes, before they are sent."""
        self._hasher.update(chunk)
        self._left -= len(chunk)
        if not self._left and self._hasher.hexdigest() != self._sha256:
            raise OSError("the file has been changed since it was written")


class _Sending:
    """The body of one response on its way."""

    def __init__(
        self,
        body: tuple[bytes | Part, ...],
        digest: _Digest | None,
        send: Send,
        connection: Connection,
    ) -> None:
        self._body = body
        self._digest = digest
        self._send = send
        self._connection = connection
        self._sent = 0
        """Bytes given to the connection."""
        self._sending = False
        """Whether the client's room is waited for."""
        self._begun = False
        """Whether the status has been sent: from then on the client can only be shown a cut."""

    async def watched(
        self, receive: Receive, work: Coroutine[Any, Any, None], least_pace: LeastPace, revoked: Watcher
    ) -> None:
        """Send everything, or cut the connection. When this returns, no thread reads from the file any more.

        Raises:
            PolyglotError: Before the status, for the exception handlers to answer.
        """
        try:
            await while_connected(receive, work, least_pace.watch(self._taken), revoked)
        except ClientGone:
            if self._begun:
                self._connection.abort()
        except Exception as error:
            if not self._begun:
                raise
            self._cut(error)
        except BaseException:
            if self._begun:
                self._connection.abort()
            raise

    def _cut(self, error: Exception) -> None:
        self._connection.abort()
        if isinstance(error, SlowClient):
            event(_log, logging.INFO, "slow client was cut", sent=self._sent)
        elif isinstance(error, Revoked):
            event(_log, logging.WARNING, "file was cut", reason=str(error), sent=self._sent)
        else:
            event(_log, logging.WARNING, "file was cut", error=error)

    async def begin(self, start: Message) -> None:
        """Send the status."""
        self._begun = True
        await self._send(start)

    async def end(self) -> None:
        """That was all."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def deliver(self, file: OpenFile) -> None:
        """Send the body."""
        for item in self._body:
            if isinstance(item, bytes):
                await self._send({"type": "http.response.body", "body": item, "more_body": True})
            else:
                await self._deliver_part(file, item)
        await self.end()

    async def _deliver_part(self, file: OpenFile, part: Part) -> None:
        at = part.start
        while at < part.end:
            chunk = await file.read(min(CHUNK, part.end - at), at)
            if self._digest is not None:
                self._digest.update(chunk)
            at += len(chunk)
            self._sent += len(chunk)
            self._sending = True
            await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
            del chunk
            # uvicorn waits for room before it writes: with nothing to write it waits before the next chunk is read.
            await self._send({"type": "http.response.body", "body": b"", "more_body": True})
            self._sending = False

    def _taken(self) -> int | None:
        return self._sent - self._connection.unacknowledged() if self._sending else None


def _body(
    selection: Selection, size: int, headers: Mapping[str, str]
) -> tuple[tuple[bytes | Part, ...], dict[str, str]]:
    """The body: parts of the file, with heads between several of them; and the headers that describe it.

    Args:
        selection: What was asked for.
        size: Bytes of the whole file.
        headers: Of the whole file.
    """
    if selection.status == 304:
        return (), {}
    if len(selection.parts) == 1:
        (part,) = selection.parts
        described = {"Content-Length": str(part.end - part.start)}
        if selection.status == 206:
            described["Content-Range"] = _content_range(part, size)
        return selection.parts, described
    # RFC 9110, sections 14.6 and 15.3.7.2. What is encoded is the file, of which each body part has a range, not the
    # body.
    boundary = secrets.token_hex(16)
    own = "".join(f"{name}: {headers[name]}\r\n" for name in ("Content-Type", "Content-Encoding"))
    body: list[bytes | Part] = []
    for part in selection.parts:
        body += [
            f"\r\n--{boundary}\r\n{own}Content-Range: {_content_range(part, size)}\r\n\r\n".encode("latin-1"),
            part,
        ]
    body.append(f"\r\n--{boundary}--\r\n".encode())
    length = sum(len(item) if isinstance(item, bytes) else item.end - item.start for item in body)
    return tuple(body), {
        "Content-Length": str(length),
        "Content-Type": f"multipart/byteranges; boundary={boundary}",
        "Content-Encoding": "identity",
    }


def _content_range(part: Part, size: int) -> str:
    return f"bytes {part.start}-{part.end - 1}/{size}"
