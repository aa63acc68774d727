"""The export that is running: starts a plan and hands out its bytes."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from polyglot_export.cancel import CancelToken
from polyglot_export.errors import Cancelled, InternalError, PolyglotError
from polyglot_export.execution.cause import cause_of
from polyglot_export.execution.engines.base import ChunkStream, Engine, StreamProgress
from polyglot_export.execution.engines.local import LOCAL
from polyglot_export.execution.idle import IdleWatch
from polyglot_export.execution.rate import RateLimit
from polyglot_export.execution.run import ExportResult, Progress
from polyglot_export.planning.moment import Moment
from polyglot_export.planning.plan import Plan

if TYPE_CHECKING:
    from polyglot_export._core import Sha256, Writer
    from polyglot_export.request.spec import ExportSpec


__all__ = ["Export", "start"]

T = TypeVar("T")


def start(
    plan: Plan,
    moment: Moment,
    *,
    spec: ExportSpec,
    token: CancelToken,
    started: float,
    rate_limit: float | None = None,
    idle_timeout: float | None = None,
    engine: Engine = LOCAL,
) -> Export:
    """Start a planned export; no row is read before the first chunk is asked for.

    Args:
        plan: How the rows are read.
        moment: The moment in which the plan was made. It ends with the export.
        spec: What was asked for.
        token: Cancels the export.
        started: ``time.monotonic()`` of the call that the export's time is counted from.
        rate_limit: The most bytes to hand out in a second.
        idle_timeout: Seconds after which an export that nobody pulls is ended.
        engine: The engine that runs the plan.
    """
    return Export(
        plan,
        moment,
        engine.open(plan),
        spec=spec,
        token=token,
        started=started,
        rate_limit=rate_limit,
        idle_timeout=idle_timeout,
    )


class Export:
    """The bytes of one export: a context manager and an iterator.

    Iteration ends only when the export is complete; any failure raises. Close the export, best by ``with``, because it
    holds connections and locks. One thread pulls; any thread may call :meth:`cancel`, :meth:`progress` and
    :meth:`close`.

    Memory:
        The sum that ``planning.reservation.reservation(export.plan)`` gives; it does not grow with the number of rows.
    """

    def __init__(
        self,
        plan: Plan,
        moment: Moment,
        stream: ChunkStream,
        *,
        spec: ExportSpec,
        token: CancelToken,
        started: float,
        rate_limit: float | None = None,
        idle_timeout: float | None = None,
    ) -> None:
        """Use :func:`start`, or one of the ways in of the package."""
        self.spec = spec
        self.plan = plan
        self._moment = moment
        self._leader = moment.leader
        self._watched = plan.watched
        self._token = token
        self._started = started
        self._lock = threading.Lock()
        self._closed = False
        self._complete: ExportResult | None = None
        self._failure: PolyglotError | None = None
        self._stream: ChunkStream = stream
        self._rate = RateLimit(rate_limit) if rate_limit is not None else None
        # The callback must not reference self: the token would keep an abandoned export alive, and its __del__, which
        # closes it, would never run.
        self._forget = token.on_cancel(_stopping(stream, self._rate))
        self._idle = IdleWatch(idle_timeout, self._end_idle) if idle_timeout is not None else None

    @property
    def snapshot(self) -> str:
        """The identifier of the snapshot that all rows are seen in."""
        return self.plan.snapshot

    @property
    def moment(self) -> Moment:
        """The moment that it reads, for further questions to the server before the first chunk is pulled."""
        return self._moment

    @property
    def failure(self) -> PolyglotError | None:
        """Why it has failed; every pull raises this."""
        return self._failure

    def next_chunk(self) -> bytes | None:
        """Wait for the next chunk. ``None`` means that the export is complete, and that all of it was of one moment.

        Raises:
            PolyglotError: The export has failed, and its connections are closed; every later call raises it again.
        """
        return self._guarded(self._pull)

    def write_chunk(self, writer: Writer, hasher: Sha256 | None = None) -> int | None:
        """Wait for the next chunk and write it, without a copy of it in Python. ``None`` means what it does from
        :meth:`next_chunk`.

        Args:
            writer: Where to.
            hasher: Gets the same bytes.

        Returns:
            How many bytes were written.

        Raises:
            OSError: The bytes could not be written; the export is over.
            PolyglotError: As :meth:`next_chunk`.
        """
        return self._guarded(lambda: self._write(writer, hasher))

    def _guarded(self, pull: Callable[[], T | None]) -> T | None:
        """Pull, and close everything if that fails."""
        if self._failure is not None:
            raise self._failure
        if self._complete is not None:
            return None
        if self._closed:
            raise Cancelled("the export was closed before its end")
        if self._idle is not None and not self._idle.begin():
            raise self._idled(self._idle.seconds)
        try:
            return pull()
        except PolyglotError as error:
            self._failure = cause_of(error, self._leader, self._token, self.plan.source)
            # The error's traceback holds this object, and this object the error: what nobody closes would wait for the
            # garbage collector with its connections.
            self.close()
            if self._failure is error:
                raise
            raise self._failure from None
        except OSError:
            self.close()
            raise
        finally:
            if self._idle is not None:
                self._idle.finish()

    def read(self) -> bytes:
        """All that is left, at once: the whole file where no chunk was taken yet. It is held in memory, however large.

        Raises:
            PolyglotError: As :meth:`next_chunk`.
        """
        return b"".join(self)

    def progress(self) -> Progress:
        """How far the export is; never blocks."""
        now = self._stream.progress()
        return Progress(
            rows=now.rows,
            bytes=now.bytes,
            segments_done=now.segments_done,
            segments_total=now.segments_total,
            estimated_rows=self.plan.estimated_rows,
            losses=self._losses(now.losses),
            finished=self._complete is not None,
            narrowed=self._leader.narrowed,
        )

    def result(self) -> ExportResult:
        """The result of a complete export.

        Raises:
            InternalError: The export is not complete.
        """
        if self._complete is None:
            raise InternalError("the export has no result before it is complete")
        return self._complete

    def cancel(self) -> None:
        """Cancel the queries in the server; ``next_chunk`` raises ``Cancelled``. Does not block."""
        self._token.cancel()

    def close(self) -> None:
        """Stop what still runs and close every connection. May be called again."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._forget()
        if self._idle is not None:
            self._idle.stop()
        if self._rate is not None:
            self._rate.stop()
        try:
            self._stream.close()
        finally:
            self._moment.close()
            # The stream's buffers go now. An error that was raised holds this object in its traceback, and this object
            # holds the error: only the garbage collector would free the two.
            self._stream = _EndedStream(self._stream.progress())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = self.next_chunk()
        if chunk is None:
            raise StopIteration
        return chunk

    def __del__(self) -> None:
        # If __init__ failed, there is no _closed.
        if not getattr(self, "_closed", True):
            try:
                # Python raises it where warnings are errors.
                warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=1)
            finally:
                self.close()

    def __repr__(self) -> str:
        state = "complete" if self._complete else "failed" if self._failure else "closed" if self._closed else "running"
        return f"<Export of {self.plan.source} as {self.plan.encoder.format}, {state}>"

    def _pull(self) -> bytes | None:
        self._leader.check()
        chunk = self._stream.next_chunk()
        if self._watched is not None:
            self._moment.see_nothing_new(self._watched, self.plan.source)
            self._watched = None
        if chunk is None:
            self._end()
        elif self._rate is not None:
            self._rate.take(len(chunk))
        return chunk

    def _write(self, writer: Writer, hasher: Sha256 | None) -> int | None:
        if self._watched is not None:
            # What the watch finds keeps the first bytes from being written.
            chunk = self._pull()
            if chunk is None:
                return None
            writer.write(chunk)
            if hasher is not None:
                hasher.update(chunk)
            return len(chunk)
        self._leader.check()
        written = self._stream.write_chunk(writer, hasher)
        if written is None:
            self._end()
        elif self._rate is not None:
            self._rate.take(written)
        return written

    def _end(self) -> None:
        """All bytes are handed out.

        Raises:
            PolyglotError: They may not be of one moment.
        """
        # The locks of the leader kept the rows where they are, so the leader must have been connected to the end.
        self._leader.prove_alive()
        if self.plan.resolved is not None:
            self._moment.see_same_meaning([self.plan.resolved])
        now = self._stream.progress()
        self._complete = ExportResult(
            now.rows,
            now.bytes,
            time.monotonic() - self._started,
            self._losses(now.losses),
            self.snapshot,
            self.plan.remarks,
        )

    def _end_idle(self) -> None:
        """Called by the watch: nobody pulls any more."""
        if self._idle is not None and self._complete is None and self._failure is None:
            self._failure = self._idled(self._idle.seconds)
        self._token.cancel()
        self.close()

    @staticmethod
    def _idled(seconds: float) -> Cancelled:
        return Cancelled(f"the export was ended because nobody took a chunk for {seconds:g} s (idle_timeout)")

    def _losses(self, counts: Sequence[int]) -> dict[str, int]:
        return {column.target: count for column, count in zip(self.plan.columns, counts, strict=False) if count}


def _stopping(stream: ChunkStream, rate: RateLimit | None) -> Callable[[], None]:
    """What the cancel token calls. Does not block."""

    def stop() -> None:
        stream.cancel()
        if rate is not None:
            rate.stop()

    return stop


class _EndedStream:
    """Stands in for a stream that was closed."""

    def __init__(self, progress: StreamProgress) -> None:
        self._progress = progress

    def progress(self) -> StreamProgress:
        """How far the stream came."""
        return self._progress

    def next_chunk(self) -> bytes | None:
        """There are no more chunks."""
        raise Cancelled("the export was closed before its end")

    def write_chunk(self, _writer: Writer, _hasher: Sha256 | None = None) -> int | None:
        """There are no more chunks."""
        raise Cancelled("the export was closed before its end")

    def cancel(self) -> None:
        """Nothing is left to cancel."""

    def close(self) -> None:
        """Nothing is left to close."""
