"""The answer of a download: a stream that ends whole or visibly broken, and stops when nobody reads it.

The rules (measured with servers, clients and proxies; ``docs/operations.md`` has the proxies' side):

- The first chunk is there before the status is sent, so an early failure has a status of its own.
- One task waits on ``receive()`` all the time: without it an export runs to its end for nobody.
- The body is ended only after the feed has said that the export is complete (``next_chunk()`` gave ``None``).
- On any failure after the status the connection is reset. A body that merely stops, or ends with a FIN, looks complete
  to an HTTP/1.0 client and to some proxies.
- The feed is closed here, not by the garbage collector.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from polyglot_export.jobs.job import Job
from polyglot_export.service.admission.budget import MemoryBudget, Newcomer, Reservation
from polyglot_export.service.http.problems import ClientGone, ServiceStopping, SlowClient
from polyglot_export.service.http.protocol import EXTENSION, Connection
from polyglot_export.service.replicas.runs import ActiveRun, Runs
from polyglot_export.service.streams.pace import ClientPace

if TYPE_CHECKING:
    from polyglot_export.execution.run import Progress

__all__ = ["DownloadResponse", "Feed", "OpenedExport", "Terms", "until_gone"]

STALL_TICK = 1.0
"""Seconds between two looks at a client that takes nothing."""


class OpenedExport(Protocol):
    """What the response asks of an export (:class:`polyglot_export.execution.export.Export`)."""

    @property
    def snapshot(self) -> str:
        """The snapshot that it reads."""

    def progress(self) -> Progress:
        """How far it is."""


class Feed(Protocol):
    """Where the chunks come from (:class:`polyglot_export.execution.feed.ChunkFeed`)."""

    async def start(self) -> OpenedExport:
        """Open the export."""

    async def next_chunk(self) -> bytes | None:
        """The next chunk; ``None`` once the export is complete."""

    def cancel(self) -> None:
        """Stop it without waiting."""

    async def aclose(self) -> None:
        """Release everything and wait for it."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Under what terms an export is delivered."""

    runs: Runs
    """Where the run is recorded."""
    budget: MemoryBudget
    """Where its memory comes from."""
    reservation: Newcomer | int
    """What it needs, or a number of bytes."""
    queue_timeout: float
    """Seconds to wait for them."""
    slow_client_timeout: float
    """Seconds over which a client's rate is measured."""
    min_rate: int
    """Bytes a second; a client that takes less is cut off."""


class DownloadResponse(Response):
    """One run of a job, streamed to one client.

    Memory: The chunk that is being sent, and what uvicorn and the kernel buffer (a chunk and 64 KB here, 128 KB unsent
        there). The chunks before it are the feed's and in the reservation.
    """

    def __init__(self, job: Job, feed: Feed, terms: Terms, headers: Mapping[str, str]) -> None:
        """Set up; nothing runs before the response is called.

        Args:
            job: What to run.
            feed: Not started yet.
            terms: Memory and time.
            headers: Of the answer, without ``X-Export-Snapshot``, which is known later.
        """
        super().__init__(headers=headers)
        # Response counts the bytes of its body; the length of a stream is not known.
        del self.headers["content-length"]
        self._job = job
        self._feed = feed
        self._terms = terms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run and stream; see the module's docstring.

        Raises:
            PolyglotError: Before the first byte, for the exception handlers to answer.
        """
        connection: Connection = scope["extensions"][EXTENSION]
        connection.hold_requests()
        run = await self._terms.runs.begin(self._job.id)
        delivery = _Delivery(run, self._feed, self._terms, connection=connection, send=send, headers=self.raw_headers)
        error = await delivery.supervise(receive)
        if error is not None and not delivery.started and not isinstance(error, ClientGone):
            raise error


class _Delivery:
    """The moving parts of one response."""

    def __init__(
        self,
        run: ActiveRun,
        feed: Feed,
        terms: Terms,
        *,
        connection: Connection,
        send: Send,
        headers: list[tuple[bytes, bytes]],
    ) -> None:
        self.started = False
        """Whether the status has been sent."""
        self._run = run
        self._feed = feed
        self._terms = terms
        self._connection = connection
        self._send = send
        self._headers = headers
        self._sending = False
        self._offered = 0
        """Bytes given to the connection, the chunk that is being sent included."""
        self._reservation: Reservation | None = None

    async def supervise(self, receive: Receive) -> BaseException | None:
        """Deliver, watch the client, clean up; returns why it failed, or ``None``."""
        work = asyncio.create_task(self._deliver())
        self._run.attach(work)
        watchers = [asyncio.create_task(_watch(receive, self._run)), asyncio.create_task(self._watch_progress())]
        error: BaseException | None = None
        try:
            try:
                await asyncio.wait({work})
            except asyncio.CancelledError:
                # uvicorn's grace time is over: the last thing it does is to cancel the tasks that are left.
                self._run.stop(ServiceStopping("the service was shut down before the end"))
                work.cancel()
                await asyncio.wait({work})
            error = _outcome(work, self._run)
        finally:
            for watcher in watchers:
                watcher.cancel()
            await self._clean_up(error, work)
        return error

    async def _deliver(self) -> None:
        self._reservation = await self._terms.budget.reserve(self._terms.reservation, self._terms.queue_timeout)
        export = await self._feed.start()
        self._run.snapshot = export.snapshot
        self._run.progress = export.progress
        chunk = await self._feed.next_chunk()
        headers = [*self._headers, (b"x-export-snapshot", export.snapshot.encode("latin-1"))]
        self.started = True
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        while chunk is not None:
            await self._send_chunk(chunk)
            chunk = await self._feed.next_chunk()
        # An empty chunk writes nothing and waits until the client has made room: a stalled client is not a complete
        # export.
        await self._send_chunk(b"")
        await self._complete()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_chunk(self, chunk: bytes) -> None:
        self._offered += len(chunk)
        self._sending = True
        self._run.block(on_client=True)
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        self._run.block(on_client=False)
        self._sending = False
        self._run.bytes += len(chunk)

    async def _complete(self) -> None:
        """Before the client sees the end: who then asks for the job must find it completed, and nothing left
        running.
        """
        await self._release()
        await self._terms.runs.end(self._run, None)

    async def _clean_up(self, error: BaseException | None, work: asyncio.Task[None]) -> None:
        """The client learns of a failure first; then the database is told to stop, which may take a moment."""
        if error is None and work.done():
            return
        if self.started:
            self._connection.abort()
        self._feed.cancel()
        work.cancel()
        try:
            await self._release()
        finally:
            await self._terms.runs.end(self._run, error or ServiceStopping("the service was shut down before the end"))

    async def _release(self) -> None:
        try:
            await self._feed.aclose()
        finally:
            if self._reservation is not None:
                self._reservation.release()

    async def _watch_progress(self) -> None:
        """Stop the run when the client takes too little of what waits for it."""
        loop = asyncio.get_running_loop()
        pace = ClientPace(self._terms.slow_client_timeout, self._terms.min_rate)
        while True:
            await asyncio.sleep(min(STALL_TICK, pace.window / 4))
            taken = self._offered - self._connection.unacknowledged() if self._sending else None
            if pace.too_slow(loop.time(), taken):
                rate = f"less than {self._terms.min_rate} bytes a second" if self._terms.min_rate else "no byte"
                self._run.stop(SlowClient(f"the client took {rate} for {pace.window:g} seconds and was cut off"))
                return


def _outcome(work: asyncio.Task[None], run: ActiveRun) -> BaseException | None:
    """Why the work ended; a reason given from outside explains whatever it led to."""
    if work.cancelled():
        return run.reason or ServiceStopping("the service was shut down before the end")
    error = work.exception()
    return run.reason if error is not None and run.reason is not None else error


async def _watch(receive: Receive, run: ActiveRun) -> None:
    await until_gone(receive)
    run.stop(ClientGone("the client closed the connection before the end"))


async def until_gone(receive: Receive) -> None:
    """Return when the client has closed its connection; what it still sends is thrown away."""
    while (await receive())["type"] != "http.disconnect":
        pass
