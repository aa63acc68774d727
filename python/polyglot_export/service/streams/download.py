"""The answer of a download: a stream that ends whole or visibly broken, and stops when nobody reads it.

The rules (measured with servers, clients and proxies; ``docs/operations.md`` has the proxies' side):

- The first chunk is there before the status is sent, so an early failure has a status of its own.
- One task waits on ``receive()`` all the time: without it an export runs to its end for nobody.
- The body is ended only after the feed has said that the export is complete (``next_chunk()`` gave ``None``), and after
  the client has acknowledged it but for the last kilobytes: a job that says completed is one whose client has the file.
- On any failure after the status the connection is reset. A body that merely stops, or ends with a FIN, looks complete
  to an HTTP/1.0 client and to some proxies.
- The feed is closed here, not by the garbage collector.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from starlette.types import Receive, Scope, Send

from polyglot_export.execution.watched import Watcher
from polyglot_export.jobs.job import Job
from polyglot_export.service.errors import ClientGone, ServiceStopping
from polyglot_export.service.http.clients import while_connected
from polyglot_export.service.http.connection import DELIVERED_BYTES, EXTENSION, Connection
from polyglot_export.service.replicas.active import ActiveRun
from polyglot_export.service.replicas.runs import Runs
from polyglot_export.service.streams.gated import Gate, GatedResponse
from polyglot_export.service.streams.pace import LeastPace

if TYPE_CHECKING:
    from polyglot_export.execution.run import Progress

__all__ = ["DownloadResponse", "Feed", "OpenedExport"]

FIRST_PAUSE, LAST_PAUSE = 0.001, 0.05
"""Seconds between two looks at what the client has not acknowledged yet; each is twice the one before."""


class OpenedExport(Protocol):
    """What the response asks of an export (:class:`polyglot_export.execution.export.Export`)."""

    @property
    def snapshot(self) -> str:
        """The snapshot that it reads."""

    def progress(self) -> Progress:
        """How far it is."""


class Feed(Protocol):
    """Where the chunks come from (:class:`polyglot_export.service.admission.feed.AdmittedFeed`)."""

    async def start(self) -> OpenedExport:
        """Wait for a turn and open the export."""

    async def next_chunk(self) -> bytes | None:
        """The next chunk; ``None`` once the export is complete."""

    async def finish(self) -> None:
        """The export is complete: give its connections back, and keep what its chunks have reserved."""

    def cancel(self) -> None:
        """Stop it without waiting."""

    async def aclose(self) -> None:
        """Release everything and wait for it."""


class DownloadResponse(GatedResponse):
    """One run of a job, streamed to one client.

    Memory: The chunk that is being sent, and what uvicorn and the kernel buffer (a chunk and 64 KB here, 128 KB unsent
        there). The chunks before it are the feed's and in its reservation.
    """

    def __init__(
        self,
        job: Job,
        feed: Feed,
        runs: Runs,
        least_pace: LeastPace,
        headers: Mapping[str, str],
        *watches: Callable[[ActiveRun], Watcher],
    ) -> None:
        """Set up; nothing runs before the response is called.

        Args:
            job: What to run.
            feed: Not started yet.
            runs: Where the run is recorded.
            least_pace: A client that takes less is cut off.
            headers: Of the answer, without ``X-Export-Snapshot``, which is known later.
            watches: Make what else may stop it.
        """
        super().__init__(headers=headers)
        # Response counts the bytes of its body; the length of a stream is not known.
        del self.headers["content-length"]
        self._job = job
        self._feed = feed
        self._runs = runs
        self._least_pace = least_pace
        self._watches = watches

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run and stream; see the module's docstring.

        Raises:
            PolyglotError: Before the first byte, for the exception handlers to answer.
        """
        connection: Connection = scope["extensions"][EXTENSION]
        connection.hold_requests()
        run = await self._runs.begin(self._job.id)
        delivery = _Delivery(
            run, self._feed, self._runs, self.gate, connection=connection, send=send, headers=self.raw_headers
        )
        try:
            await while_connected(
                receive,
                delivery.deliver(),
                run.until_stopped(),
                self._least_pace.watch(delivery.taken),
                *(watch(run) for watch in self._watches),
            )
            return
        except asyncio.CancelledError:
            # uvicorn's grace time is over: the last thing it does is to cancel the tasks that are left.
            if delivery.ended:
                return
            error: BaseException = ServiceStopping("the service was shut down before the end")
        except BaseException as failure:  # noqa: BLE001 - recorded, and raised below where there is still an answer
            error = failure
        await delivery.break_off(error)
        if not delivery.started and not isinstance(error, ClientGone):
            raise error


class _Delivery:
    """The moving parts of one response."""

    def __init__(
        self,
        run: ActiveRun,
        feed: Feed,
        runs: Runs,
        gate: Gate,
        *,
        connection: Connection,
        send: Send,
        headers: list[tuple[bytes, bytes]],
    ) -> None:
        self.started = False
        """Whether the status has been sent."""
        self.ended = False
        """Whether the end of the body has been sent."""
        self._run = run
        self._feed = feed
        self._runs = runs
        self._gate = gate
        self._connection = connection
        self._send = send
        self._headers = headers
        self._sending = False
        self._offered = 0
        """Bytes given to the connection, the chunk that is being sent included."""

    async def deliver(self) -> None:
        """Send everything, and record that it was sent."""
        export = await self._feed.start()
        self._run.snapshot = export.snapshot
        self._run.progress = export.progress
        chunk = await self._feed.next_chunk()
        headers = [*self._headers, (b"x-export-snapshot", export.snapshot.encode("latin-1"))]
        await self._gate()
        self.started = True
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        while chunk is not None:
            await self._send_chunk(chunk)
            chunk = await self._feed.next_chunk()
        # The database is let go before the client is waited for.
        await self._feed.finish()
        await self._until_taken()
        # Before the client sees the end: whoever asks for the job then must find it completed, and nothing left
        # running.
        await self._feed.aclose()
        await self._runs.end(self._run, None)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        self.ended = True

    async def break_off(self, error: BaseException) -> None:
        """The client learns of a failure first; then the database is told to stop, which may take a moment."""
        if self.started:
            self._connection.abort()
        self._feed.cancel()
        try:
            await self._feed.aclose()
        finally:
            await self._runs.end(self._run, error)

    def taken(self) -> int | None:
        """Bytes that the client has acknowledged; ``None`` while nothing waits for it."""
        return self._offered - self._connection.unacknowledged() if self._sending else None

    async def _until_taken(self) -> None:
        """Wait until the client has all but the last bytes: a client that stalls, and one that is gone, is no complete
        export. What is left is in the kernel by then, and nobody takes it back (:data:`DELIVERED_BYTES`).
        """
        self._sending = True
        self._run.block(on_client=True)
        pause = FIRST_PAUSE
        while self._connection.unacknowledged() > DELIVERED_BYTES:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_PAUSE)
        self._run.block(on_client=False)
        self._sending = False

    async def _send_chunk(self, chunk: bytes) -> None:
        self._offered += len(chunk)
        self._sending = True
        self._run.block(on_client=True)
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        self._run.block(on_client=False)
        self._sending = False
        self._run.bytes += len(chunk)
