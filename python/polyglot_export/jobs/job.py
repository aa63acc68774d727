"""A job and its runs: plain immutable data, and the only functions that move a job from state to state.

    pending ──► running ──► completed | failed | cancelled        (each download is a run; it may be run again)
       │           │
       └───────────┴─► cancelled by its owner                     (ends the job: it cannot be run again)
    any but running ──► expired ──► forgotten                     (the retention time has passed, and EXPIRED_KEPT after
    it)

The status of a job is computed, never stored: that of its latest run, unless the owner cancelled it or it expired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from polyglot_export.access.rights import Rights
from polyglot_export.jobs.clock import now
from polyglot_export.jobs.links import LINK_BYTES, Link, with_new_link
from polyglot_export.jobs.messages import Message, message_id, with_new
from polyglot_export.request.spec import ExportSpec

__all__ = [
    "EXPIRED_KEPT",
    "MAX_RUNS",
    "REPLICA_LOST",
    "DeliveredSet",
    "Failure",
    "Job",
    "JobStatus",
    "Made",
    "PreparedFile",
    "RequestKey",
    "Run",
    "now",
]

MAX_RUNS = 100
"""Runs that a job lists; older ones are forgotten, so that a job asked for every minute does not grow for ever."""
EXPIRED_KEPT = timedelta(hours=1)
"""How long an expired job is still known, so that its owner reads "expired" (410) before "there is no such export"
(404)."""
REPLICA_LOST = "replica-lost"
"""The code of a run that another replica has declared failed, because its own did not renew its lease."""


class JobStatus(StrEnum):
    """The states of a job and of a run."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


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
    segments_done: int = 0
    segments_total: int | None = None
    """``None`` until the export is planned."""
    elapsed: float = 0.0
    """Seconds since the export was planned, by a clock that only goes forward."""
    losses: Mapping[str, int] = field(default_factory=dict)
    """Values that were declared as lost (nulled, replaced, dropped), by column."""
    error: Failure | None = None
    replica: str | None = None
    """The name of the process that runs it; ``None`` where there is only one."""

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self.status is not JobStatus.RUNNING

    @property
    def lost(self) -> bool:
        """Whether its replica was declared lost."""
        return self.error is not None and self.error.code == REPLICA_LOST

    @property
    def rows_per_second(self) -> float | None:
        """The mean since the export was planned; ``None`` before."""
        return self.rows / self.elapsed if self.elapsed > 0 else None

    @property
    def bytes_per_second(self) -> float | None:
        """The mean since the export was planned; ``None`` before."""
        return self.bytes / self.elapsed if self.elapsed > 0 else None

    @property
    def eta_seconds(self) -> float | None:
        """Seconds to the end if it goes on at its mean rate; ``None`` where that cannot be told, and once it has
        ended.
        """
        if self.ended or not self.progress or self.elapsed <= 0:
            return None
        return self.elapsed * (1 - self.progress) / self.progress


@dataclass(frozen=True, slots=True)
class RequestKey:
    """The ``Idempotency-Key`` of the request that made a job."""

    value: str
    fingerprint: str
    """SHA-256 of what was asked for: another request with the same key is a mistake of its client."""


@dataclass(frozen=True, slots=True)
class PreparedFile:
    """The file that a run of a job with ``"delivery": "file"`` has left in the spool; it never changes."""

    run: int
    """The number of that run."""
    name: str
    """Its path below the spool directory."""
    size: int
    """Bytes, after compression."""
    sha256: str
    """Of those bytes, as 64 hexadecimal digits."""
    rows: int
    made_at: datetime
    offered: tuple[str, ...] | None = None
    """The columns that its owner was offered then; ``None`` for all that the source had."""
    stamp: str | None = None
    """What tells the file from one that was written to since; ``None`` where that is not known."""
    rights: Rights | None = None
    """With which its owner read then; ``None`` where an older version has made it, which did not note them."""
    meanings: tuple[str, ...] | None = None
    """For each dataset a digest of what it stood for then; ``None`` as for the rights."""


@dataclass(frozen=True, slots=True)
class DeliveredSet:
    """The files that a run of a job with ``"delivery": "store"`` has left in its destination; they never change."""

    run: int
    """The number of that run."""
    url: str
    """Of the folder that has the manifest."""
    sha256: str
    """Of the manifest, as 64 hexadecimal digits."""
    files: int
    """Without the manifest."""
    size: int
    """Bytes of all files."""
    rows: int
    made_at: datetime
    offered: tuple[tuple[str, ...] | None, ...]
    """For each dataset, the columns that its owner was offered then; ``None`` for all that the source had."""
    rights: Rights | None = None
    """As that of :class:`PreparedFile`."""
    meanings: tuple[str, ...] | None = None
    """As that of :class:`PreparedFile`."""


Made = PreparedFile | DeliveredSet
"""What a run in the background leaves."""


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
    """Bytes of memory, about, that the request takes which made it."""
    runs: tuple[Run, ...] = ()
    """The latest :data:`MAX_RUNS`, oldest first."""
    cancelled_at: datetime | None = None
    """When the owner cancelled the job."""
    file: PreparedFile | None = None
    """What a job with ``"delivery": "file"`` was for, once it is there."""
    delivered: DeliveredSet | None = None
    """What a job with ``"delivery": "store"`` was for, once it is there."""
    taken_by: str | None = None
    """The replica that was to run it in the background; it has a lease for the time until the first run begins."""
    key: RequestKey | None = None
    """The key of the request, if it had one; no two jobs of an owner have the same."""
    messages: tuple[Message, ...] = ()
    """What its webhook (``ExportSpec.webhook``) is still to be told, oldest first, and the latest message."""
    links: tuple[Link, ...] = ()
    """Those that were made and not revoked, oldest first."""
    rights: Rights | None = None
    """What its owner was allowed when the job was made, where nobody can be asked for that later; ``None`` where the
    configuration tells."""

    @property
    def latest(self) -> Run | None:
        """The latest run."""
        return self.runs[-1] if self.runs else None

    @property
    def made(self) -> Made | None:
        """What its run in the background has left, once that is there."""
        return self.file or self.delivered

    @property
    def running(self) -> bool:
        """Whether any run is under way."""
        return any(not run.ended for run in self.runs)

    @property
    def awaited(self) -> bool:
        """Whether it was accepted for the background, and waits for its first run."""
        return self.spec.in_background and not self.runs and self.cancelled_at is None

    def status(self, at: datetime | None = None) -> JobStatus:
        """The job's state at a time (now, by default)."""
        if self.cancelled_at is not None:
            return JobStatus.CANCELLED
        if not self.running and (at or now()) >= self.expires_at:
            return JobStatus.EXPIRED
        return self.latest.status if self.latest is not None else JobStatus.PENDING

    def forgotten(self, at: datetime | None = None) -> bool:
        """Whether the job has been expired for so long that it is not known any more."""
        return not self.running and (at or now()) >= self.expires_at + EXPIRED_KEPT

    def run(self, number: int) -> Run | None:
        """The run of a number, if it is still listed."""
        return next((run for run in self.runs if run.number == number), None)

    def with_new_run(self, started_at: datetime, replica: str | None = None) -> Job:
        """The job with one more run, which is under way in a replica."""
        number = self.latest.number + 1 if self.latest is not None else 1
        return replace(self, runs=(*self.runs, Run(number, started_at, replica=replica))[-MAX_RUNS:])

    def with_run(self, run: Run) -> Job:
        """The job with a run in its new state; a run that ended starts the retention time again, and is something to
        tell a webhook.

        One that is not listed is added if it is newer than all others: a store may have lost its last moments.
        """
        changed = self._with_run(run)
        known = self.run(run.number)
        if not run.ended or changed.run(run.number) is not run or (known is not None and known.status is run.status):
            return changed
        return _telling(changed, run.number, run.finished_at or run.started_at, run.replica, run.started_at, run.status)

    def _with_run(self, run: Run) -> Job:
        runs = tuple(run if known.number == run.number else known for known in self.runs)
        if self.latest is None or run.number > self.latest.number:
            runs = (*runs, run)[-MAX_RUNS:]
        expires_at = run.finished_at + self.retention if run.finished_at is not None else self.expires_at
        return replace(self, runs=runs, expires_at=max(expires_at, self.expires_at))

    def with_lost_run(self, number: int, at: datetime, *, again: bool = False) -> Job:
        """The job after the replica of a run was declared lost; a run that has ended stays as it is.

        Args:
            number: Of the run.
            at: When.
            again: Whether another run takes its place at once, so that a webhook is told of that one alone.
        """
        run = self.run(number)
        if run is None or run.ended:
            return self
        error = Failure(REPLICA_LOST, "the replica of the service that ran the export was lost; start it again")
        lost = replace(run, status=JobStatus.FAILED, finished_at=at, error=error)
        return self._with_run(lost) if again else self.with_run(lost)

    def with_made(self, made: Made) -> Job:
        """The job with what its run has left; the first one stays, since the bytes behind an address never change."""
        if self.made is not None:
            return self
        return replace(self, file=made) if isinstance(made, PreparedFile) else replace(self, delivered=made)

    def with_link(self, link: Link) -> Job | None:
        """The job with one more link; ``None`` where it has too many."""
        links = with_new_link(self.links, link)
        return self._with_links(links) if links is not None else None

    def without_link(self, link_id: str) -> Job:
        """The job after a link was revoked."""
        return self._with_links(tuple(link for link in self.links if link.id != link_id))

    def _with_links(self, links: tuple[Link, ...]) -> Job:
        return replace(self, links=links, weight=self.weight + LINK_BYTES * (len(links) - len(self.links)))

    def cancelled(self, at: datetime, replica: str | None = None) -> Job:
        """The job after its owner has cancelled it.

        Args:
            at: When.
            replica: The name of the process that was asked to; it tells the webhook where no run does by its end.
        """
        if self.cancelled_at is not None:
            return self
        changed = replace(self, cancelled_at=at)
        return changed if self.latest is not None else _telling(changed, 0, at, replica, JobStatus.CANCELLED)

    def pending_messages(self, replica: str | None) -> tuple[Message, ...]:
        """What a process has to send, oldest first."""
        return tuple(message for message in self.messages if message.pending and message.replica == replica)

    def with_message(self, message: Message) -> Job:
        """The job after an attempt to deliver a message, unless that is settled. Of a failed attempt only the process
        tells that the message belongs to.
        """
        known = next((each for each in self.messages if each.id == message.id), None)
        if known is None or not known.pending or (message.pending and message.replica != known.replica):
            return self
        return replace(self, messages=tuple(message if each is known else each for each in self.messages))

    def with_messages_taken(self, replica: str) -> Job:
        """The job whose pending messages belong to another process from now on."""
        return replace(
            self, messages=tuple(replace(each, replica=replica) if each.pending else each for each in self.messages)
        )


def _telling(job: Job, run: int, at: datetime, replica: str | None, *of: object) -> Job:
    """The job with a message about an end, if it has a webhook."""
    if job.spec.webhook is None:
        return job
    message = Message(message_id(job.id, run, *of), run, at, at, replica=replica)
    return replace(job, messages=with_new(job.messages, message))
