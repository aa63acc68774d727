"""The bodies of the answers, as models: OpenAPI is made from them and so is every answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from polyglot_export.jobs.job import Failure, Job, JobStatus, PreparedFile, Run
from polyglot_export.request.parse import dump_spec
from polyglot_export.request.spec import ExportSpec

__all__ = [
    "BenchmarkResult",
    "BenchmarkView",
    "ColumnView",
    "DatasetView",
    "DatasetsView",
    "ExportsView",
    "FailureView",
    "FileView",
    "HealthView",
    "JobSummary",
    "JobView",
    "RunView",
    "job_summary",
    "job_view",
    "run_view",
]

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""ISO 8601 in UTC with milliseconds."""


class View(BaseModel):
    """Members are camelCase."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    def members(self) -> dict[str, Any]:
        """The members as they are sent."""
        return self.model_dump(by_alias=True)


class FailureView(View):
    """Why a run did not complete."""

    code: str
    """For programs; ``docs/reference/errors.md`` lists them."""
    message: str
    """One sentence for people."""
    sqlstate: str | None = None
    row: int | None = None
    column: str | None = None


class RunView(View):
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


class FileView(View):
    """The prepared file of an export with ``"delivery": "file"``."""

    run: int
    """The run that made it."""
    size: int
    """Bytes, after compression."""
    sha256: str
    rows: int
    made_at: Time


class JobSummary(View):
    """An export: what was asked for, and the state of its latest run."""

    export_id: str
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


class JobView(JobSummary):
    """An export with all its runs."""

    runs: list[RunView]


class ExportsView(View):
    """One page of exports, newest first; ``next`` is the ``after`` of the page that follows."""

    exports: list[JobSummary]
    next: str | None


class ColumnView(View):
    """One column that may be exported."""

    name: str
    type: str
    nullable: bool


class DatasetView(View):
    """One thing that may be exported; the sizes are estimates of the database, ``null`` where it has none."""

    name: str
    kind: str
    columns: list[ColumnView]
    estimated_rows: int | None
    estimated_bytes: int | None


class DatasetsView(View):
    """All that this caller may export."""

    datasets: list[DatasetView]


class BenchmarkResult(View):
    """One format's run."""

    format: str
    duration_seconds: float
    file_size_bytes: int
    peak_memory_mb: Annotated[float, Field(alias="peakMemoryMB")]


class BenchmarkView(View):
    """What the same rows cost in each format."""

    dataset_row_count: int
    results: list[BenchmarkResult]


class HealthView(View):
    """The service works, and so does its database."""

    status: Literal["healthy"] = "healthy"


def job_summary(job: Job) -> JobSummary:
    """A job as a list shows it."""
    return JobSummary(**_summary(job))


def job_view(job: Job) -> JobView:
    """A job as its owner sees it."""
    return JobView(**_summary(job), runs=[run_view(run) for run in job.runs])


def _summary(job: Job) -> dict[str, Any]:
    latest = job.latest
    return {
        "export_id": job.id,
        "status": job.status(),
        "spec": _spec(job.spec),
        "created_at": _time(job.created_at),
        "expires_at": _time(job.expires_at),
        "started_at": _time(latest.started_at) if latest else None,
        "finished_at": _time(latest.finished_at) if latest and latest.finished_at else None,
        "rows": latest.rows if latest else 0,
        "bytes": latest.bytes if latest else 0,
        "progress": latest.progress if latest else None,
        **_pace(latest),
        "error": _failure(latest.error) if latest else None,
        "file": _file(job.file),
    }


def run_view(run: Run) -> RunView:
    """One run."""
    seconds = (run.finished_at - run.started_at).total_seconds() if run.finished_at is not None else None
    return RunView(
        run=run.number,
        status=run.status,
        started_at=_time(run.started_at),
        finished_at=_time(run.finished_at) if run.finished_at is not None else None,
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
    return FileView(run=file.run, size=file.size, sha256=file.sha256, rows=file.rows, made_at=_time(file.made_at))


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


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
