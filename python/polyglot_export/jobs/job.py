"""A job and its runs: plain immutable data, and the only functions that move a job from state to state.

    pending ──► running ──► completed | failed | cancelled        (each download is a run; it may be run again)
       │           │
       └───────────┴─► cancelled by its owner                     (ends the job: it cannot be run again)
    any but running ──► expired                                   (the retention time has passed)

The status of a job is computed, never stored: that of its latest run, unless the owner cancelled it or it expired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from polyglot_export.spec import ExportSpec

__all__ = ["MAX_RUNS", "Failure", "Job", "JobStatus", "Run", "now"]

MAX_RUNS = 100
"""Runs that a job lists; older ones are forgotten, so that a job asked for every minute does not grow for ever."""


class JobStatus(StrEnum):
    """The states of a job and of a run."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run did not complete: a code for programs and a sentence for people."""

    code: str
    message: str
    sqlstate: str | None = None
    row: int | None = None
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a job's spec on a snapshot of its own."""

    number: int
    """Counts from 1 within the job."""
    started_at: datetime
    status: JobStatus = JobStatus.RUNNING
    finished_at: datetime | None = None
    snapshot: str | None = None
    rows: int = 0
    bytes: int = 0
    """Bytes handed to the client's connection, after compression."""
    progress: float | None = None
    """From 0 to 1, or ``None`` where the size is not known."""
    losses: Mapping[str, int] = field(default_factory=dict)
    """Values that were declared as lost (nulled, replaced, dropped), by column."""
    error: Failure | None = None

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self.status is not JobStatus.RUNNING


@dataclass(frozen=True, slots=True)
class Job:
    """A saved spec, who owns it, and what became of it."""

    id: str
    owner: str | None
    """The name of the key that made it; ``None`` where no keys are configured."""
    spec: ExportSpec
    file_stem: str
    """The file name of a download, without its extension."""
    created_at: datetime
    expires_at: datetime
    retention: timedelta
    weight: int = 0
    """Bytes of the request that made it: a measure of what it costs to keep."""
    runs: tuple[Run, ...] = ()
    """The latest :data:`MAX_RUNS`, oldest first."""
    cancelled_at: datetime | None = None
    """When the owner cancelled the job."""

    @property
    def latest(self) -> Run | None:
        """The latest run."""
        return self.runs[-1] if self.runs else None

    @property
    def running(self) -> bool:
        """Whether any run is under way."""
        return any(not run.ended for run in self.runs)

    def status(self, at: datetime | None = None) -> JobStatus:
        """The job's state at a time (now, by default)."""
        if self.cancelled_at is not None:
            return JobStatus.CANCELLED
        if not self.running and (at or now()) >= self.expires_at:
            return JobStatus.EXPIRED
        return self.latest.status if self.latest is not None else JobStatus.PENDING

    def with_new_run(self, started_at: datetime) -> Job:
        """The job with one more run, which is under way."""
        number = self.latest.number + 1 if self.latest is not None else 1
        return replace(self, runs=(*self.runs, Run(number, started_at))[-MAX_RUNS:])

    def with_run(self, run: Run) -> Job:
        """The job with a run in its new state; a run that ended starts the retention time again."""
        runs = tuple(run if known.number == run.number else known for known in self.runs)
        expires_at = run.finished_at + self.retention if run.finished_at is not None else self.expires_at
        return replace(self, runs=runs, expires_at=max(expires_at, self.expires_at))

    def cancelled(self, at: datetime) -> Job:
        """The job after its owner has cancelled it."""
        return self if self.cancelled_at is not None else replace(self, cancelled_at=at)
