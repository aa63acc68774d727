"""How far an export is, as server-sent events (HTML Standard, section 9.2).

state      the export as ``GET /exports`` lists it, without its spec: at once, and whenever its state changes
progress   its latest run, at most twice a second, when something has changed
end        as ``state``, when the export is over; the stream ends
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi.sse import format_sse_event
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from polyglot_export.errors import Busy
from polyglot_export.execution.watched import Watcher
from polyglot_export.jobs.job import Job, JobStatus
from polyglot_export.jobs.stores.base import JobStore, StoreAway
from polyglot_export.service.errors import ClientGone, Revoked
from polyglot_export.service.http.clients import while_connected
from polyglot_export.service.http.connection import EXTENSION, Connection
from polyglot_export.service.http.job_answers import job_summary, run_view
from polyglot_export.service.logs import event
from polyglot_export.service.replicas.runs import Runs
from polyglot_export.text.exact_json import dumps

__all__ = ["MAX_STREAMS", "EventResponse", "JobEvents"]

LOOK_SECONDS = 0.5
"""Between two looks at the job."""
HEARTBEAT_SECONDS = 15.0
"""Time after which a silent stream sends a comment: proxies close connections that say nothing for a minute or less."""
SEND_SECONDS = 30.0
"""Time that a client may take nothing of what waits for it."""
RETRY_MILLISECONDS = 2_000
"""When a client whose stream broke comes back."""
MAX_STREAMS = 100
"""Streams of a process: each one costs a connection, 26 KB, and two looks a second; all together 4 % of a CPU where
jobs are in Redis."""
_OVER = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.EXPIRED})
_HEARTBEAT = b":\n\n"
_log = logging.getLogger(__name__)


class JobEvents:
    """Where events come from, and how many clients follow them."""

    def __init__(self, runs: Runs, store: JobStore, may_begin: Callable[[Job], bool]) -> None:
        """Set up.

        Args:
            runs: What runs here, which is known up to this moment.
            store: What is known of all other runs.
            may_begin: Whether a job in the background may be begun once more.
        """
        self.streams = 0
        """Clients that follow an export."""
        self._runs = runs
        self._store = store
        self._may_begin = may_begin
        self._watches: dict[str, _Watch] = {}

    def check_room(self) -> None:
        """Refuse one stream too many.

        Raises:
            Busy: :data:`MAX_STREAMS` are open.
        """
        if self.streams >= MAX_STREAMS:
            raise Busy(
                f"{MAX_STREAMS} streams of events are open, which is the limit; ask GET /exports/{{id}} instead, or "
                "try again later"
            )

    @contextmanager
    def following(self) -> Iterator[None]:
        """Meanwhile there is one client more."""
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1

    async def of(self, job: Job | None) -> AsyncIterator[bytes]:
        """The events of a job, from its present state to its end."""
        if job is None:
            return
        with self._watching(job) as watch:
            async for told in self._seen(job, watch):
                yield told

    async def _seen(self, job: Job | None, watch: _Watch) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        spoken = loop.time()
        seen_id = seen_state = None
        retry: int | None = RETRY_MILLISECONDS
        while job is not None:
            job = self._runs.live(job)
            state = (job.status(), job.latest.number if job.latest is not None else 0)
            over = self.is_over(job)
            if (event_id := event_id_of(job)) != seen_id:
                if state != seen_state:
                    name, data = "end" if over else "state", _state(job)
                else:
                    name, data = "progress", _progress(job)
                yield format_sse_event(data_str=dumps(data), event=name, id=event_id, retry=retry)
                seen_id, seen_state, retry, spoken = event_id, state, None, loop.time()
            elif loop.time() - spoken >= HEARTBEAT_SECONDS:
                yield _HEARTBEAT
                spoken = loop.time()
            if over or (self._runs.stopping and not self._runs.runs_here(job.id)):
                return
            job = await watch.next_look()

    def is_over(self, job: Job) -> bool:
        """Whether nothing more will happen by itself: what a lost replica ran in the background is begun anew."""
        latest = job.latest
        again = job.status() is JobStatus.FAILED and job.spec.in_background and latest is not None and latest.lost
        return job.status() in _OVER and not (again and self._may_begin(job))

    def was_seen_to_its_end(self, job: Job, last_event_id: str | None) -> bool:
        """Whether a client that has seen an event has seen the last one."""
        return last_event_id is not None and self.is_over(job) and last_event_id == event_id_of(job)

    @contextmanager
    def _watching(self, job: Job) -> Iterator[_Watch]:
        """Meanwhile somebody looks at the job: one for all that follow it."""
        watch = self._watches.get(job.id)
        if watch is None:
            watch = self._watches[job.id] = _Watch(self._store, job)
        watch.followers += 1
        try:
            yield watch
        finally:
            watch.followers -= 1
            if not watch.followers:
                watch.stop()
                del self._watches[job.id]


class _Watch:
    """Looks at one job again and again, for all that follow it."""

    def __init__(self, store: JobStore, job: Job) -> None:
        self.followers = 0
        self._store = store
        self._job: Job | None = job
        self._mark = ""
        self._looked = asyncio.Event()
        self._task = asyncio.create_task(self._look_for_ever())

    async def next_look(self) -> Job | None:
        """The job as it is stored at the next look; as it was while the store is away; ``None`` once it is gone."""
        if self._job is not None:
            await self._looked.wait()
        return self._job

    def stop(self) -> None:
        """Nobody follows any more."""
        self._task.cancel()

    async def _look_for_ever(self) -> None:
        while (known := self._job) is not None:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                self._job, self._mark = await self._store.look(known, self._mark)
            except StoreAway:
                pass
            except Exception as error:  # noqa: BLE001 - those that follow would wait for ever
                event(_log, logging.ERROR, "job not looked at", exportId=known.id, error=error)
                self._job = None
            looked, self._looked = self._looked, asyncio.Event()
            looked.set()


class EventResponse(Response):
    """One client that follows one job.

    Memory:
        One event of a kilobyte, and what uvicorn and the kernel buffer.
    """

    media_type = "text/event-stream"

    def __init__(self, events: JobEvents, job: Job, revoked: Callable[[], Watcher]) -> None:
        """Set up.

        Args:
            events: Where they come from.
            job: As it was when the request came.
            revoked: Waits until the caller is not known any more.
        """
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events = events
        self._job = job
        self._revoked = revoked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the job is over, the client is gone, or the service ends."""
        connection: Connection = scope["extensions"][EXTENSION]
        connection.hold_requests()
        try:
            with self._events.following():
                await while_connected(receive, self._write(send), self._revoked())
        except ClientGone:
            return
        except (TimeoutError, Revoked):
            connection.abort()
        except Exception:
            connection.abort()
            raise

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for told in self._events.of(self._job):
            async with asyncio.timeout(SEND_SECONDS):
                await send({"type": "http.response.body", "body": told, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _state(job: Job) -> dict[str, Any]:
    """The export as a list shows it, without its spec: that may have a megabyte, and a hundred may follow one."""
    members = job_summary(job).members()
    del members["spec"]
    return members


def _progress(job: Job) -> dict[str, Any]:
    return {"exportId": job.id, **(run_view(job.latest).members() if job.latest is not None else {})}


def event_id_of(job: Job) -> str:
    """Tells states and progress of a job apart, on every replica alike."""
    latest = job.latest
    run = f"{latest.number}.{latest.rows}.{latest.bytes}" if latest is not None else "0"
    return f"{job.status().value}.{run}"
