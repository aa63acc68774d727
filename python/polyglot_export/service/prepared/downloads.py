"""The download of a prepared file, which has the bytes that its digest promises."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import os
import threading
from dataclasses import dataclass, field
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from polyglot_export.jobs.job import Job, PreparedFile
from polyglot_export.service.background.absent import absent
from polyglot_export.service.background.thread import settled
from polyglot_export.service.callers import Caller
from polyglot_export.service.errors import FileMissing, Forbidden
from polyglot_export.service.http.file_headers import file_headers
from polyglot_export.service.logs import event
from polyglot_export.service.prepared.openat import is_name_of, stamp_of
from polyglot_export.service.prepared.spool import Spool
from polyglot_export.service.streams.file_response import CHUNK, FileResponse, FileTerms
from polyglot_export.service.streams.ranges import Entity, select

__all__ = ["PreparedFiles"]

MAX_READ_THROUGH = 1_000
"""Files that are remembered to have been read through, of some 200 bytes each."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PreparedFiles:
    """Where prepared files are read from, and under what terms."""

    spool: Spool
    terms: FileTerms
    _read_through: dict[str, str] = field(default_factory=dict)
    """Stamps of files that were read through and had their digest, by name."""
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Files are read through one at a time, as that keeps a thread and the disk busy."""

    def answer(self, job: Job, caller: Caller, request: Request) -> Response:
        """The answer to GET or HEAD for a job with ``"delivery": "file"`` that has neither expired nor been cancelled.

        Args:
            job: As it stands now.
            caller: Its owner, who may read less now than when the file was made.
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
            raise absent(job, "the file")
        if not caller.may_read(job, file.offered):
            raise Forbidden(f"the file of export {job.id} holds what this caller may not read any more")
        if not is_name_of(file.name, job.id, file.run):
            event(_log, logging.ERROR, "the store names a file that is none of the spool", file=file.name)
            raise FileMissing("the prepared file is not in the spool; create the export again")
        entity = Entity(f'"{file.sha256}"', file.made_at.replace(microsecond=0), file.size)
        selection = select(request.method, request.headers, entity)
        opener = partial(self._open, file)
        return FileResponse(opener, self.terms, caller, selection, file.size, _headers(job, file, entity))

    async def _open(self, file: PreparedFile) -> SpooledFile:
        """The file, which stays readable when it is removed meanwhile.

        Raises:
            FileMissing: It is not in the spool, or has other bytes.
        """
        opening = asyncio.get_running_loop().run_in_executor(None, self.spool.open_file, file.name)
        try:
            descriptor = await asyncio.shield(opening)
        except asyncio.CancelledError:
            if await settled(opening) is None:
                os.close(opening.result())
            raise
        except OSError as error:
            event(_log, logging.WARNING, "prepared file missing", file=file.name, reason=str(error))
            raise FileMissing(
                "the prepared file is not in the spool of this replica; try again, or create the export again"
            ) from None
        found = SpooledFile(descriptor)
        try:
            if os.fstat(descriptor).st_size != file.size:
                raise _damaged(file)
            await self._check_unchanged(descriptor, file)
        except BaseException:
            found.close()
            raise
        return found

    async def _check_unchanged(self, descriptor: int, file: PreparedFile) -> None:
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
            if await _read_through(descriptor) != file.sha256 or stamp_of(descriptor) != stamp:
                raise _damaged(file)
            while len(self._read_through) >= MAX_READ_THROUGH:
                self._read_through.pop(next(iter(self._read_through)))
            self._read_through[file.name] = stamp


class SpooledFile:
    """An open file of the spool (an :class:`~polyglot_export.service.streams.file_response.OpenFile`)."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._written_at = os.fstat(descriptor).st_mtime_ns

    async def read(self, size: int, at: int) -> bytes:
        """Bytes from a place on.

        Raises:
            OSError: They cannot be read, or somebody has written to the file.
        """
        reading = asyncio.get_running_loop().run_in_executor(None, self._read, size, at)
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            await settled(reading)
            raise

    def _read(self, size: int, at: int) -> bytes:
        chunk = os.pread(self._descriptor, size, at)
        if not chunk:
            raise EOFError(f"the file ends at byte {at}")
        if os.fstat(self._descriptor).st_mtime_ns != self._written_at:
            raise OSError("the file was written to while it was being sent")
        return chunk

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)


async def _read_through(descriptor: int) -> str:
    """The SHA-256 of a file. When the client leaves, its thread is ended and waited for: others want their turn."""
    left = threading.Event()
    reading = asyncio.get_running_loop().run_in_executor(None, _digest, descriptor, left)
    try:
        return await asyncio.shield(reading)
    except asyncio.CancelledError:
        left.set()
        await settled(reading)
        raise


def _digest(descriptor: int, left: threading.Event) -> str:
    """The SHA-256 of a file; of what was read of it, once nobody waits any more."""
    found = hashlib.sha256()
    at = 0
    while not left.is_set() and (chunk := os.pread(descriptor, CHUNK, at)):
        found.update(chunk)
        at += len(chunk)
    return found.hexdigest()


def _damaged(file: PreparedFile) -> FileMissing:
    event(_log, logging.ERROR, "prepared file damaged", file=file.name, size=file.size)
    return FileMissing("the prepared file has been damaged; create the export again")


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
