"""Jobs to put into stores."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from polyglot_export.jobs.job import Job, JobStatus
from polyglot_export.request.parse import parse_spec

START = datetime(2090, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
_numbers = itertools.count()


def make_job(*, owner: str | None = None, at: datetime = START, **members: Any) -> Job:
    job = Job(f"job-{next(_numbers):06}", owner, parse_spec({"format": "csv"}), "export", at, at + HOUR, HOUR)
    return replace(job, **members)


def ended(job: Job, status: JobStatus, at: datetime = START) -> Job:
    assert job.latest is not None
    return job.with_run(replace(job.latest, status=status, finished_at=at))
