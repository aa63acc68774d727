"""The download of a prepared file: whole or in ranges, with the validators that let a client resume it.

Starlette's ``FileResponse`` answers a malformed range with 400, refuses all ranges when one of them has no byte,
answers a HEAD with 206, looks at no condition but If-Range, and opens the file after the status was sent. So this is
our own.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import math
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from polyglot_export.errors import PolyglotError
from polyglot_export.jobs.job import Job, JobStatus, PreparedFile
from polyglot_export.service.admission.budget import MemoryBudget
from polyglot_export.service.errors import ClientGone, FileMissing, NotReady, SlowClient, WrongState
from polyglot_export.service.http.clients import while_connected
from polyglot_export.service.http.connection import EXTENSION, Connection
from polyglot_export.service.http.file_headers import file_headers
from polyglot_export.service.logs import event
from polyglot_export.service.prepared.ranges import Entity, Part, Selection, select
from polyglot_export.service.prepared.spool import Spool
from polyglot_export.service.streams.pace import LeastPace

__all__ = ["PreparedFiles", "PreparedResponse"]

CHUNK = 256 << 10
"""Bytes that are read and sent at once: 0.44 CPU seconds per GiB. With 512 KB it is 0.38, for twice the memory of each
client that is slow; with 1 MB 0.76, since the allocator maps and unmaps each chunk."""
MAX_RETRY_AFTER = 60
"""Seconds after which a client is asked to look again at the latest, however long the file will take."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PreparedFiles:
    """Where prepared files are read from, and under what terms."""

    spool: Spool
    budget: MemoryBudget
    """Where the memory of a response comes from."""
    queue_timeout: float
    """Seconds to wait for it."""
    least_pace: LeastPace
    """A client that takes less is cut off; it may come back for the rest."""

    def answer(self, job: Job, request: Request) -> Response:
        """The answer to GET or HEAD for a job with ``"delivery": "file"`` that has neither expired nor been cancelled.

        Args:
            job: As it stands now.
            request: Its method, ranges and conditions.

        Raises:
            NotReady: The file is being prepared.
            WrongState: There will be none.
            PreconditionFailed: A condition of the request does not hold.
            RangeNotSatisfiable: No range of the request has a byte of the file.
        """
        file = job.file
        if file is None:
            raise _absent(job)
        entity = Entity(f'"{file.sha256}"', file.made_at.replace(microsecond=0), file.size)
        selection = select(request.method, request.headers, entity)
        return PreparedResponse(self, file, selection, _headers(job, file, entity))


def _absent(job: Job) -> PolyglotError:
    status, latest = job.status(), job.latest
    if status is JobStatus.PENDING:
        return NotReady(f"the file of export {job.id} waits to be prepared; ask again later")
    if status is JobStatus.RUNNING:
        left = latest.eta_seconds if latest is not None else None
        retry = min(MAX_RETRY_AFTER, max(1, math.ceil(left or 0)))
        return NotReady(
            f"the file of export {job.id} is being prepared; ask again later", headers={"Retry-After": str(retry)}
        )
    reason = latest.error.message if latest is not None and latest.error is not None else "its run made none"
    return WrongState(
        f"export {job.id} failed and has no file: {reason.removesuffix('.')}; create a new one with POST /exports"
    )


def _headers(job: Job, file: PreparedFile, entity: Entity) -> dict[str, str]:
    run = next((run for run in job.runs if run.number == file.run), None)
    headers = {
        **file_headers(job.spec, job.file_stem),
        "X-Export-Id": job.id,
        "ETag": entity.tag,
        "Last-Modified": entity.last_modified,
        "Accept-Ranges": "bytes",
        "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(file.sha256)).decode()}:",
        # Kept copies are good for ever, and asked about each time: a key may be revoked, an export deleted.
        "Cache-Control": "private, no-cache, no-transform",
    }
    # A proxy that compresses would drop the length; what has an encoding is left alone.
    headers.setdefault("Content-Encoding", "identity")
    if run is not None and run.snapshot is not None:
        headers["X-Export-Snapshot"] = run.snapshot
    return headers


class PreparedResponse(Response):
    """A file or parts of it. A client that is too slow is cut off, as one of a stream; it may come back for the rest.

    Memory:
        One chunk, which comes from the budget of the exports: many clients may be slow at the same time.
    """

    def __init__(
        self, files: PreparedFiles, file: PreparedFile, selection: Selection, headers: Mapping[str, str]
    ) -> None:
        """Set up; the file is opened when the response is called.

        Args:
            files: The spool, and the terms.
            file: What is sent.
            selection: Which part of it.
            headers: Of the whole file.
        """
        self._files = files
        self._file = file
        self._body, described = _body(selection, file.size, headers)
        super().__init__(status_code=selection.status, headers={**headers, **described})
        if selection.status == 304:
            # RFC 9110, section 15.4.5: without what describes a body.
            for name in ("content-type", "content-disposition", "content-encoding"):
                del self.headers[name]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; see the class.

        Raises:
            FileMissing: The file is not in the spool.
            Busy: There is no memory for it now.
        """
        descriptor = await asyncio.to_thread(self._open)
        try:
            start: Message = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            if scope["method"] == "HEAD" or self.status_code == 304:
                await send(start)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            with await self._files.budget.reserve(CHUNK, self._files.queue_timeout):
                sending = _Sending(descriptor, self._body, send, scope["extensions"][EXTENSION])
                await sending.send_to(receive, start, self._files.least_pace)
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        """The file's descriptor: it stays readable when the file is removed meanwhile."""
        name = self._file.name
        try:
            descriptor = os.open(self._files.spool.path(name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            event(_log, logging.WARNING, "prepared file missing", file=name, reason=str(error))
            raise FileMissing(
                "the prepared file is not in the spool of this replica; try again, or create the export again"
            ) from None
        if os.fstat(descriptor).st_size != self._file.size:
            os.close(descriptor)
            event(_log, logging.WARNING, "prepared file damaged", file=name, size=self._file.size)
            raise FileMissing("the prepared file has been damaged; create the export again")
        return descriptor


class _Sending:
    """The body of one response on its way."""

    def __init__(self, descriptor: int, body: tuple[bytes | Part, ...], send: Send, connection: Connection) -> None:
        self._descriptor = descriptor
        self._body = body
        self._send = send
        self._connection = connection
        self._sent = 0
        """Bytes given to the connection."""
        self._sending = False
        """Whether the client's room is waited for."""

    async def send_to(self, receive: Receive, start: Message, least_pace: LeastPace) -> None:
        """Send everything, or cut the connection. When this returns, no thread reads from the file any more."""
        try:
            await while_connected(receive, self._deliver(start), least_pace.watch(self._taken))
        except ClientGone:
            self._connection.abort()
        except SlowClient:
            self._connection.abort()
            event(_log, logging.INFO, "slow client was cut", sent=self._sent)
        except Exception as error:  # noqa: BLE001 - the answer has begun: the client can only be shown a cut
            self._connection.abort()
            event(_log, logging.WARNING, "prepared file was cut", error=error)
        except BaseException:
            self._connection.abort()
            raise

    async def _deliver(self, start: Message) -> None:
        await self._send(start)
        for item in self._body:
            if isinstance(item, bytes):
                await self._send({"type": "http.response.body", "body": item, "more_body": True})
            else:
                await self._deliver_part(item)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _deliver_part(self, part: Part) -> None:
        at = part.start
        while at < part.end:
            chunk = await self._read(min(CHUNK, part.end - at), at)
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

    async def _read(self, size: int, at: int) -> bytes:
        reading = asyncio.get_running_loop().run_in_executor(None, os.pread, self._descriptor, size, at)
        try:
            chunk = await asyncio.shield(reading)
        except asyncio.CancelledError:
            await asyncio.wait({reading})
            raise
        if not chunk:
            raise EOFError(f"the file ends at byte {at}")
        return chunk


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
