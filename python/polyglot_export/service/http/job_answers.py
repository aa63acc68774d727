"""Jobs and their runs as their owner sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polyglot_export.jobs.job import Failure, Job, JobStatus, PreparedFile, Run
from polyglot_export.jobs.messages import MessageStatus
from polyglot_export.request.parse import dump_spec
from polyglot_export.request.spec import ExportSpec
from polyglot_export.service.http.answer_model import AnswerModel, Time, time_text

__all__ = [
    "DeliveryView",
    "FailureView",
    "FileView",
    "JobSummary",
    "JobView",
    "RunView",
    "job_summary",
    "job_view",
    "run_view",
]


class FailureView(AnswerModel):
    """Why a run did not complete."""

    code: str
    """For programs; ``docs/reference/errors.md`` lists them."""
    message: str
    """One sentence for people."""
    sqlstate: str | None = None
    row: int | None = None
    column: str | None = None


class RunView(AnswerModel):
    """One run of an export: a download, or the preparation of its file. Rates are means since it was planned."""

    run: int
    status: JobStatus
    started_at: Time
    finished_at: Time | None
    seconds: float | None
    snapshot: str | None
    rows: int
    bytes: int
    progress: float | None
    segments_done: int
    segments_total: int | None
    rows_per_second: float | None
    bytes_per_second: float | None
    eta_seconds: float | None
    losses: Mapping[str, int]
    error: FailureView | None


class FileView(AnswerModel):
    """The prepared file of an export with ``"delivery": "file"``."""

    run: int
    """The run that made it."""
    size: int
    """Bytes, after compression."""
    sha256: str
    rows: int
    made_at: Time


class DeliveryView(AnswerModel):
    """The set of files of an export with ``"delivery": "store"``."""

    run: int
    """The run that made it."""
    destination: str
    folder: str
    """In the destination: the files and their manifest are in it."""
    files: int
    size: int
    """Bytes of all files."""
    rows: int
    manifest_sha256: str
    made_at: Time


class JobSummary(AnswerModel):
    """An export: what was asked for, and the state of its latest run."""

    export_id: str
    owner: str | None
    """The name of the caller that created it; `null` where there are no keys."""
    status: JobStatus
    spec: dict[str, Any]
    created_at: Time
    expires_at: Time
    started_at: Time | None
    finished_at: Time | None
    rows: int
    bytes: int
    progress: float | None
    segments_done: int
    segments_total: int | None
    rows_per_second: float | None
    bytes_per_second: float | None
    eta_seconds: float | None
    error: FailureView | None
    file: FileView | None
    delivered: DeliveryView | None


class WebhookView(AnswerModel):
    """The latest message to the webhook of an export."""

    id: str
    run: int
    """The run that it is about; 0 for an export that was cancelled before it had one."""
    status: MessageStatus
    attempts: int
    next_attempt_at: Time | None
    error: str | None
    """Why the latest attempt failed, or why there is none."""
    pending: int
    """Messages of the export that wait, this one included."""


class JobView(JobSummary):
    """An export with all its runs."""

    runs: list[RunView]
    webhook: WebhookView | None


def job_summary(job: Job) -> JobSummary:
    """A job as a list shows it."""
    return JobSummary(**_summary(job))


def job_view(job: Job) -> JobView:
    """A job as its owner sees it."""
    return JobView(**_summary(job), runs=[run_view(run) for run in job.runs], webhook=_webhook(job))


def _summary(job: Job) -> dict[str, Any]:
    latest = job.latest
    return {
        "export_id": job.id,
        "owner": job.owner,
        "status": job.status(),
        "spec": _spec(job.spec),
        "created_at": time_text(job.created_at),
        "expires_at": time_text(job.expires_at),
        "started_at": time_text(latest.started_at) if latest else None,
        "finished_at": time_text(latest.finished_at) if latest and latest.finished_at else None,
        "rows": latest.rows if latest else 0,
        "bytes": latest.bytes if latest else 0,
        "progress": latest.progress if latest else None,
        **_pace(latest),
        "error": _failure(latest.error) if latest else None,
        "file": _file(job.file),
        "delivered": _delivered(job),
    }


def run_view(run: Run) -> RunView:
    """One run."""
    seconds = (run.finished_at - run.started_at).total_seconds() if run.finished_at is not None else None
    return RunView(
        run=run.number,
        status=run.status,
        started_at=time_text(run.started_at),
        finished_at=time_text(run.finished_at) if run.finished_at is not None else None,
        seconds=seconds,
        snapshot=run.snapshot,
        rows=run.rows,
        bytes=run.bytes,
        progress=run.progress,
        **_pace(run),
        losses=run.losses,
        error=_failure(run.error),
    )


def _failure(failure: Failure | None) -> FailureView | None:
    if failure is None:
        return None
    return FailureView(
        code=failure.code, message=failure.message, sqlstate=failure.sqlstate, row=failure.row, column=failure.column
    )


def _file(file: PreparedFile | None) -> FileView | None:
    """What a client may know of a file; where it is, is not its business."""
    if file is None:
        return None
    return FileView(run=file.run, size=file.size, sha256=file.sha256, rows=file.rows, made_at=time_text(file.made_at))


def _delivered(job: Job) -> DeliveryView | None:
    """What a client may know of a set; where its destination is, is not its business."""
    made = job.delivered
    if made is None:
        return None
    return DeliveryView(
        run=made.run,
        destination=job.spec.destination or "",
        folder=job.id,
        files=made.files,
        size=made.size,
        rows=made.rows,
        manifest_sha256=made.sha256,
        made_at=time_text(made.made_at),
    )


def _webhook(job: Job) -> WebhookView | None:
    if not job.messages:
        return None
    latest = job.messages[-1]
    return WebhookView(
        id=latest.id,
        run=latest.run,
        status=latest.status,
        attempts=latest.attempts,
        next_attempt_at=time_text(latest.due_at) if latest.pending else None,
        error=latest.error,
        pending=sum(message.pending for message in job.messages),
    )


def _spec(spec: ExportSpec) -> dict[str, Any]:
    """The spec with its defaults; ``query`` is never taken over HTTP and left out with the other absent members."""
    return dump_spec(spec)


def _pace(run: Run | None) -> dict[str, Any]:
    """How fast a run is, and what is left of it."""
    return {
        "segments_done": run.segments_done if run else 0,
        "segments_total": run.segments_total if run else None,
        "rows_per_second": _rounded(run.rows_per_second) if run else None,
        "bytes_per_second": _rounded(run.bytes_per_second) if run else None,
        "eta_seconds": _rounded(run.eta_seconds) if run else None,
    }


def _rounded(value: float | None) -> float | None:
    return round(value, 1) if value is not None else None
