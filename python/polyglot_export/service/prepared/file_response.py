"""The download of a prepared file: whole or in ranges, with the validators that let a client resume it.

Starlette's ``FileResponse`` answers a malformed range with 400, refuses all ranges when one of them has no byte,
answers a HEAD with 206, looks at no condition but If-Range, and opens the file after the status was sent. So this is
our own.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import math
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from polyglot_export.access.exposure import Exposure
from polyglot_export.errors import PolyglotError
from polyglot_export.jobs.job import Job, JobStatus, PreparedFile
from polyglot_export.service.admission.budget import MemoryBudget
from polyglot_export.service.errors import ClientGone, FileMissing, Forbidden, NotReady, SlowClient, WrongState
from polyglot_export.service.http.clients import while_connected
from polyglot_export.service.http.connection import EXTENSION, Connection
from polyglot_export.service.http.file_headers import file_headers
from polyglot_export.service.logs import event
from polyglot_export.service.prepared.openat import is_name_of, stamp_of
from polyglot_export.service.prepared.ranges import Entity, Part, Selection, select
from polyglot_export.service.prepared.spool import Spool
from polyglot_export.service.streams.pace import LeastPace

__all__ = ["PreparedFiles", "PreparedResponse"]

CHUNK = 256 << 10
"""Bytes that are read and sent at once: 0.44 CPU seconds per GiB. With 512 KB it is 0.38, for twice the memory of each
client that is slow; with 1 MB 0.76, since the allocator maps and unmaps each chunk."""
MAX_READ_THROUGH = 1_000
"""Files that are remembered to have been read through, of some 200 bytes each."""
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
    _read_through: dict[str, str] = field(default_factory=dict)
    """Stamps of files that were read through and had their digest, by name."""
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Files are read through one at a time, as that keeps a thread and the disk busy."""

    def answer(self, job: Job, exposure: Exposure, request: Request) -> Response:
        """The answer to GET or HEAD for a job with ``"delivery": "file"`` that has neither expired nor been cancelled.

        Args:
            job: As it stands now.
            exposure: What its owner may read now, which may be less than when the file was made.
            request: Its method, ranges and conditions.

        Raises:
            Forbidden: The owner may not read any more what is in it.
            NotReady: The file is being prepared.
            WrongState: There will be none.
            PreconditionFailed: A condition of the request does not hold.
            RangeNotSatisfiable: No range of the request has a byte of the file.
        """
        file = job.file
        if file is None:
            raise _absent(job)
        if not exposure.covers(job.spec, file.offered):
            raise Forbidden(f"the file of export {job.id} holds what this key may not read any more")
        if not is_name_of(file.name, job.id, file.run):
            event(_log, logging.ERROR, "the store names a file that is none of the spool", file=file.name)
            raise FileMissing("the prepared file is not in the spool; create the export again")
        entity = Entity(f'"{file.sha256}"', file.made_at.replace(microsecond=0), file.size)
        selection = select(request.method, request.headers, entity)
        return PreparedResponse(self, job.owner, file, selection, _headers(job, file, entity))

    async def check_unchanged(self, descriptor: int, file: PreparedFile) -> None:
        """See that the file has the bytes that its digest promises.

        The stamp that it got when it was made tells that nobody has written to it since. Where it has another one (it
        was copied or restored, or its permissions were changed), the file is read through once.

        Raises:
            FileMissing: It has other bytes.
        """
        stamp = stamp_of(descriptor)
        if stamp in (file.stamp, self._read_through.get(file.name)):
            return
        async with self._turn:
            if stamp == self._read_through.get(file.name):
                return
            # Of its own, since the thread goes on when the client has left.
            if await asyncio.to_thread(_digest, os.dup(descriptor)) != file.sha256 or stamp_of(descriptor) != stamp:
                raise _damaged(file)
            while len(self._read_through) >= MAX_READ_THROUGH:
                self._read_through.pop(next(iter(self._read_through)))
            self._read_through[file.name] = stamp


def _digest(descriptor: int) -> str:
    """The SHA-256 of a file, whose descriptor is closed afterwards."""
    found = hashlib.sha256()
    at = 0
    try:
        while chunk := os.pread(descriptor, CHUNK, at):
            found.update(chunk)
            at += len(chunk)
    finally:
        os.close(descriptor)
    return found.hexdigest()


def _damaged(file: PreparedFile) -> FileMissing:
    event(_log, logging.ERROR, "prepared file damaged", file=file.name, size=file.size)
    return FileMissing("the prepared file has been damaged; create the export again")


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
        self,
        files: PreparedFiles,
        owner: str | None,
        file: PreparedFile,
        selection: Selection,
        headers: Mapping[str, str],
    ) -> None:
        """Set up; the file is opened when the response is called.

        Args:
            files: The spool, and the terms.
            owner: Whose share of the memory it takes.
            file: What is sent.
            selection: Which part of it.
            headers: Of the whole file.
        """
        self._files = files
        self._owner = owner
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
            await self._files.check_unchanged(descriptor, self._file)
            start: Message = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            if scope["method"] == "HEAD" or self.status_code == 304:
                await send(start)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            with await self._files.budget.reserve(CHUNK, self._files.queue_timeout, self._owner):
                sending = _Sending(descriptor, self._body, send, scope["extensions"][EXTENSION])
                await sending.send_to(receive, start, self._files.least_pace)
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        """The file's descriptor: it stays readable when the file is removed meanwhile."""
        name = self._file.name
        try:
            descriptor = self._files.spool.open_file(name)
        except OSError as error:
            event(_log, logging.WARNING, "prepared file missing", file=name, reason=str(error))
            raise FileMissing(
                "the prepared file is not in the spool of this replica; try again, or create the export again"
            ) from None
        if os.fstat(descriptor).st_size != self._file.size:
            os.close(descriptor)
            raise _damaged(self._file)
        return descriptor


class _Sending:
    """The body of one response on its way."""

    def __init__(self, descriptor: int, body: tuple[bytes | Part, ...], send: Send, connection: Connection) -> None:
        self._descriptor = descriptor
        self._body = body
        self._send = send
        self._connection = connection
        self._written_at = os.fstat(descriptor).st_mtime_ns
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
        if os.fstat(self._descriptor).st_mtime_ns != self._written_at:
            raise OSError("the file was written to while it was being sent")
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
