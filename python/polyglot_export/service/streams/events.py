"""How far an export is, as server-sent events (HTML Standard, section 9.2).

state      the export as ``GET /exports`` lists it, without its spec: at once, and whenever its state changes
progress   its latest run, at most twice a second, when something has changed
end        as ``state``, when the export is over; the stream ends
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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

__all__ = ["MAX_STREAMS", "EventResponse", "Follower", "JobEvents"]

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
MAX_BY_LINKS = MAX_STREAMS // 2
"""Of these by links: whoever has a key finds room."""
MAX_OF_LINK = 5
"""Of these by one link."""
_OVER = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.EXPIRED})
_HEARTBEAT = b":\n\n"
_log = logging.getLogger(__name__)


def _every(_: Job) -> bool:
    return True


def _all(members: dict[str, Any]) -> dict[str, Any]:
    return members


@dataclass(frozen=True, slots=True)
class Follower:
    """Who follows a job."""

    revoked: Callable[[], Watcher]
    """Waits until it is not known any more."""
    link: str | None = None
    """The id of the link by which it does."""
    may: Callable[[Job], bool] = _every
    """Whether it may go on to, asked at each look at the job."""
    shown: Callable[[dict[str, Any]], dict[str, Any]] = _all
    """What it may see of an event."""


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
        self._by_link: Counter[str] = Counter()
        self._runs = runs
        self._store = store
        self._may_begin = may_begin
        self._watches: dict[str, _Watch] = {}

    @contextmanager
    def following(self, link: str | None) -> Iterator[None]:
        """Meanwhile there is one client more.

        Args:
            link: The id of the link by which it comes.

        Raises:
            Busy: There are too many.
        """
        self._check_room(link)
        self.streams += 1
        if link is not None:
            self._by_link[link] += 1
        try:
            yield
        finally:
            self.streams -= 1
            if link is not None:
                self._by_link[link] -= 1
                self._by_link += Counter()  # without those of which there is none

    def _check_room(self, link: str | None) -> None:
        if self.streams >= MAX_STREAMS:
            raise Busy(
                f"{MAX_STREAMS} streams of events are open, which is the limit; ask GET /exports/{{id}} instead, or "
                "try again later"
            )
        if link is not None and (self._by_link[link] >= MAX_OF_LINK or self._by_link.total() >= MAX_BY_LINKS):
            raise Busy(
                f"a link may be followed by {MAX_OF_LINK} clients at a time, and all links together by {MAX_BY_LINKS}; "
                "try again later"
            )

    async def of(self, job: Job | None, follower: Follower | None = None) -> AsyncIterator[bytes]:
        """The events of a job, from its present state to its end.

        Args:
            job: The job.
            follower: Ends them and hides a part of them; ``None`` for who sees all.
        """
        if job is None:
            return
        with self._watching(job) as watch:
            async for told in self._seen(job, watch, follower):
                yield told

    async def _seen(self, job: Job | None, watch: _Watch, follower: Follower | None) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        spoken = loop.time()
        seen_id = seen_state = None
        retry: int | None = RETRY_MILLISECONDS
        while job is not None and (follower is None or follower.may(job)):
            job = self._runs.live(job)
            state = (job.status(), job.latest.number if job.latest is not None else 0)
            over = self.is_over(job)
            if (event_id := event_id_of(job)) != seen_id:
                if state != seen_state:
                    name, data = "end" if over else "state", _state(job)
                else:
                    name, data = "progress", _progress(job)
                data = data if follower is None else follower.shown(data)
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

    def __init__(self, events: JobEvents, job: Job, follower: Follower) -> None:
        """Set up.

        Args:
            events: Where they come from.
            job: As it was when the request came.
            follower: Who follows it.
        """
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events = events
        self._job = job
        self._follower = follower

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the job is over, the client is gone, or the service ends.

        Raises:
            Busy: There are too many streams.
        """
        with self._events.following(self._follower.link):
            await self._follow(scope["extensions"][EXTENSION], receive, send)

    async def _follow(self, connection: Connection, receive: Receive, send: Send) -> None:
        connection.hold_requests()
        try:
            await while_connected(receive, self._write(send), self._follower.revoked())
        except ClientGone:
            return
        except (TimeoutError, Revoked):
            connection.abort()
        except Exception:
            connection.abort()
            raise

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for told in self._events.of(self._job, self._follower):
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
