"""The files of a delivered export: which there are, and the way to each.

What an answer says is what the manifest says that the export has written: it is read anew each time, and its digest
must be the one that the job has.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from polyglot_export.destinations.store import Store
from polyglot_export.jobs.clock import now
from polyglot_export.jobs.job import DeliveredSet, Job
from polyglot_export.limits import MANIFEST_BYTES
from polyglot_export.manifest.document import MANIFEST
from polyglot_export.service.audit.recorder import Recorder
from polyglot_export.service.background.absent import absent
from polyglot_export.service.callers import Caller
from polyglot_export.service.config.destinations import DestinationEntry
from polyglot_export.service.delivered.asking import StoreThreads
from polyglot_export.service.errors import FileMissing, Forbidden, NotFound, WrongState
from polyglot_export.service.http.file_headers import file_headers
from polyglot_export.service.logs import event
from polyglot_export.service.streams.file_response import FileResponse, FileTerms
from polyglot_export.service.streams.ranges import Entity, select

__all__ = ["LINK_SECONDS", "DeliveredFile", "DeliveredFiles"]

LINK_SECONDS = 600
"""How long a link can be used: it is made when somebody clicks, and a download that has begun goes on."""
COPIES = 6
"""How often the text of a manifest is held while it is read: itself, and as objects."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DeliveredFile:
    """One file."""

    number: int
    dataset: str
    path: str
    """Relative to the folder of the export."""
    name: str
    """What a browser saves it as."""
    size: int
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class DeliveredFiles:
    """Gives the files of jobs with ``"delivery": "store"``.

    Args:
        terms: Memory and pace of what goes through the service.
        threads: Ask the stores.
        audit: Told of every file that is given.
    """

    terms: FileTerms
    threads: StoreThreads
    audit: Recorder

    async def of(self, job: Job, caller: Caller) -> list[DeliveredFile]:
        """All files of a job, in the order of its datasets.

        Raises:
            NotReady: They are being written.
            WrongState: There will be none, or the job is for another delivery.
            Forbidden: The caller may not read any more what is in them, or not use the destination.
            FileMissing: The manifest is not there, or another one.
            Busy: The store does not answer, or there is no memory for the manifest.
        """
        entry, delivered = _allowed(job, caller)
        place, path = entry.opened(), f"{job.id}/{MANIFEST}"
        size = await self.threads.ask(job, entry, partial(_size, place, path))
        if size > MANIFEST_BYTES:
            raise _changed(place, path)
        with await self.terms.budget.reserve(COPIES * size, self.terms.queue_timeout, caller.name):
            content = await self.threads.ask(job, entry, partial(place.read, path, 0, size))
            if hashlib.sha256(content).hexdigest() != delivered.sha256:
                raise _changed(place, path)
            return _listed(content, job)

    async def give(self, job: Job, caller: Caller, number: int, request: Request) -> Response:
        """The way to one file: a link that is signed now, or the file itself where its place signs none.

        Args:
            job: As it stands now.
            caller: Its owner, with the rights of now.
            number: Of the file.
            request: Its method, ranges and conditions.

        Raises:
            NotFound: There is no such file.
            PolyglotError: As :meth:`of`; or the store does not sign.
        """
        files = await self.of(job, caller)
        if number >= len(files):
            raise NotFound(f"export {job.id} has {len(files)} files, counted from 0; there is no file {number}")
        file, (entry, delivered) = files[number], _allowed(job, caller)
        stored = _StoredFile(self.threads, job, entry, f"{job.id}/{file.path}")
        link = await stored.link() if request.method == "GET" else None
        event(
            _log,
            logging.INFO,
            "file given",
            exportId=job.id,
            key=caller.name,
            file=file.path,
            client=request.client.host if request.client is not None else None,
            until=(now() + timedelta(seconds=LINK_SECONDS)).isoformat() if link is not None else None,
        )
        if link is not None:
            await self._told(job, file, None, by_link=True)
            return RedirectResponse(link, 302, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})

        async def opened() -> _StoredFile:
            if await stored.size() != file.size:
                raise _changed(entry.opened(), stored.path)
            return stored

        entity = Entity(f'"{file.sha256}"', delivered.made_at.replace(microsecond=0), file.size)
        selection = select(request.method, request.headers, entity)
        headers = _headers(job, file, entity)
        answer = FileResponse(opened, self.terms, caller, selection, file.size, headers, sha256=file.sha256)
        if request.method == "GET" and answer.status_code in (200, 206):
            await self._told(job, file, None if answer.status_code == 200 else request.headers.get("range"))
        return answer

    async def _told(self, job: Job, file: DeliveredFile, range_: str | None, *, by_link: bool = False) -> None:
        await self.audit.sent(
            job,
            size=file.size,
            sha256=file.sha256,
            range_=range_,
            dataset=file.dataset,
            file=file.path,
            by_link=by_link,
        )


def _allowed(job: Job, caller: Caller) -> tuple[DestinationEntry, DeliveredSet]:
    """Where the files of a job are, if its owner may read them now."""
    if job.spec.delivery != "store":
        raise WrongState(f'export {job.id} is no "delivery": "store"; its file is at /exports/{job.id}/download')
    if job.delivered is None:
        raise absent(job, "the set of files")
    if not caller.may_read(job, *job.delivered.offered):
        raise Forbidden(f"the files of export {job.id} hold what this caller may not read any more")
    entry = caller.destinations.get(job.spec.destination or "")
    if entry is None:
        raise Forbidden(f"this caller may not use the destination {job.spec.destination!r} any more")
    if entry.of_export(job.id) != job.delivered.url:
        raise FileMissing(f"the destination {job.spec.destination!r} is another place than when they were written")
    return entry, job.delivered


class _StoredFile:
    """A file of a store that is read through the service
    (an :class:`~polyglot_export.service.streams.file_response.OpenFile`).
    """

    def __init__(self, threads: StoreThreads, job: Job, entry: DestinationEntry, path: str) -> None:
        self._ask = partial(threads.ask, job, entry)
        self._place = entry.opened()
        self.path = path

    async def link(self) -> str | None:
        """A link to it; ``None`` where its place signs none."""
        return await self._ask(partial(self._place.link, self.path, LINK_SECONDS))

    async def size(self) -> int:
        """Its size now.

        Raises:
            FileMissing: It is gone.
        """
        return await self._ask(partial(_size, self._place, self.path))

    async def read(self, size: int, at: int) -> bytes:
        """Bytes from a place on.

        Raises:
            EOFError: The file is shorter by now.
            TargetFailed: The store does not give them.
        """
        chunk = await self._ask(partial(self._place.read, self.path, at, size))
        if not chunk:
            raise EOFError(f"the file ends at byte {at}")
        return chunk

    def close(self) -> None:
        """Nothing is open."""


def _size(place: Store, path: str) -> int:
    size = place.size(path)
    if size is None:
        event(_log, logging.WARNING, "delivered file missing", place=place.url, file=path)
        raise FileMissing("the file is not in its destination any more; create the export again")
    return size


def _changed(place: Store, path: str) -> FileMissing:
    event(_log, logging.ERROR, "delivered file changed", place=place.url, file=path)
    return FileMissing("what was delivered has been changed since; create the export again")


def _listed(content: bytes, job: Job) -> list[DeliveredFile]:
    """The files that a manifest names. It is the one that was written, so that nothing in it needs to be checked, which
    would take a hundred times as long.
    """
    ending = _ending(job)
    files: list[DeliveredFile] = []
    for relation in json.loads(content)["relations"]:
        name, parts = relation["dataset"], relation["parts"]
        for number, part in enumerate(parts):
            saved = f"{name}-{number:05}{ending}" if len(parts) > 1 else f"{name}{ending}"
            files.append(
                DeliveredFile(len(files), name, part["path"], saved, part["bytes"], part["rows"], part["sha256"])
            )
    return files


def _ending(job: Job) -> str:
    compression = job.spec.compression
    return job.spec.format.record.endings[0] + (compression.record.ending if compression is not None else "")


def _headers(job: Job, file: DeliveredFile, entity: Entity) -> dict[str, str]:
    stem = file.name.removesuffix(_ending(job))
    return {
        **file_headers(replace(job.spec, compression_as="file"), stem),
        "Content-Encoding": "identity",
        "X-Export-Id": job.id,
        "ETag": entity.tag,
        "Last-Modified": entity.last_modified,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache, no-transform",
    }
