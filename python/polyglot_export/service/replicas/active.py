"""One run that is under way in this process: how far it is, and why it must stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Never

from polyglot_export.errors import InternalError, PolyglotError
from polyglot_export.jobs.job import Job, Run
from polyglot_export.service.errors import TookTooLong

if TYPE_CHECKING:
    from polyglot_export.execution.run import Progress

__all__ = ["ActiveRun"]


class ActiveRun:
    """A download under way, or the preparation of a file."""

    def __init__(self, job: Job, run: Run) -> None:
        self.job = job
        self.run = run
        self.started = time.monotonic()
        self.bytes = 0
        """Bytes handed to the client's connection, or to the file."""
        self.snapshot: str | None = None
        self.reason: PolyglotError | None = None
        """Why it was stopped from outside."""
        self.ended = asyncio.Event()
        self._stopped = asyncio.Event()
        self._progress: Callable[[], Progress] | None = None
        self._opened = 0.0
        self._blocked = 0.0
        self._blocked_since: float | None = None
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def progress(self) -> Callable[[], Progress] | None:
        """How far the export is; known once it has been opened."""
        return self._progress

    @progress.setter
    def progress(self, progress: Callable[[], Progress]) -> None:
        self._progress = progress
        self._opened = time.monotonic()

    def present(self) -> datetime:
        """The time by a clock that no one sets: the run's start and the seconds since then."""
        return self.run.started_at + timedelta(seconds=time.monotonic() - self.started)

    def block(self, *, on_client: bool) -> None:
        """Note that the run waits for its client from now on, or does not any more."""
        self._blocked = self.blocked()
        self._blocked_since = time.monotonic() if on_client else None

    def blocked(self) -> float:
        """Seconds that the run has waited for its client up to now."""
        return self._blocked + (time.monotonic() - self._blocked_since if self._blocked_since is not None else 0.0)

    def stop_after(self, seconds: float) -> None:
        """Stop the run when it has not ended by then."""
        reason = TookTooLong(f"the export did not end within the {seconds:g} seconds that the service allows")
        self._deadline = asyncio.get_running_loop().call_later(seconds, self.stop, reason)

    def finish(self) -> None:
        """The run is over: nothing stops it any more."""
        self.ended.set()
        if self._deadline is not None:
            self._deadline.cancel()

    def stop(self, reason: PolyglotError) -> None:
        """Stop the run; the first reason is the one that counts. Does not wait, and does nothing once the run has
        ended.
        """
        if self.reason is None and not self.ended.is_set():
            self.reason = reason
            self._stopped.set()

    async def until_stopped(self) -> Never:
        """Wait until somebody stops the run.

        Raises:
            PolyglotError: The reason.
        """
        await self._stopped.wait()
        raise self.reason or InternalError("a run was stopped without a reason")

    def current(self) -> Run:
        """The run as it stands."""
        progress = self._progress() if self._progress is not None else None
        if progress is None:
            return replace(self.run, bytes=self.bytes, snapshot=self.snapshot)
        # The pieces of a table tell its size, also to who may read few of its rows, and so does the share of them.
        whole = self.job.rights is None and not progress.narrowed
        return replace(
            self.run,
            bytes=self.bytes,
            snapshot=self.snapshot,
            rows=progress.rows,
            progress=progress.fraction if whole or progress.finished else None,
            segments_done=progress.segments_done if whole else 0,
            segments_total=progress.segments_total if whole else None,
            elapsed=time.monotonic() - self._opened,
            losses=dict(progress.losses),
        )
