"""What every request does that makes an export: the job, kept and written down before anything is run."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from polyglot_export.errors import PolyglotError, SpecError
from polyglot_export.jobs.job import Job, RequestKey, now
from polyglot_export.jobs.stores.base import JobStore
from polyglot_export.limits import MAX_FILTER_VALUES
from polyglot_export.request.parse import parse_spec
from polyglot_export.request.spec import ExportSpec
from polyglot_export.service.admission.bodies import held_bytes
from polyglot_export.service.audit.recorder import Recorder
from polyglot_export.service.background.preparations import Preparations
from polyglot_export.service.callers import Caller
from polyglot_export.service.http import idempotency
from polyglot_export.service.http.file_headers import DEFAULT_STEM
from polyglot_export.service.logs import about
from polyglot_export.service.replicas.runs import Runs

__all__ = ["keep", "new_job", "read_spec"]


def new_job(
    spec: ExportSpec,
    stem: str,
    caller: Caller,
    *,
    size: int,
    retention: float,
    runs: Runs,
    key: RequestKey | None = None,
) -> Job:
    """A job that nobody knows of yet.

    Args:
        spec: What is asked for, checked.
        stem: Of its file's name.
        caller: Who asks.
        size: Bytes of the request that asks.
        retention: Seconds that it is kept for after its last run.
        runs: Those of this replica.
        key: The request's ``Idempotency-Key``.
    """
    at, kept_for = now(), timedelta(seconds=retention)
    job = Job(
        str(uuid.uuid4()),
        caller.name,
        spec,
        stem,
        at,
        at + kept_for,
        kept_for,
        weight=held_bytes(size, spec),
        taken_by=runs.replica if spec.in_background else None,
        key=key,
        rights=caller.kept,
    )
    about(exportId=job.id, key=caller.name)
    return job


async def keep(job: Job, caller: Caller, store: JobStore, preparations: Preparations, audit: Recorder) -> Job:
    """Store a new job, and have it run where it is for the background.

    Returns:
        The job; or the one that an earlier request with its key has made.

    Raises:
        PolyglotError: There is no room for it.
    """
    kept = await store.add(job)
    if kept.id != job.id:
        idempotency.check_same(job, kept)
        return kept
    try:
        await audit.created(job, caller.rights.role)
        if job.spec.in_background:
            await preparations.accept(job)
    except PolyglotError:
        # Where there is no room for what it makes, or nobody would know of it, there is no job either.
        await store.remove(job.id)
        raise
    return kept


def read_spec(data: dict[str, Any], default_dataset: str) -> tuple[ExportSpec, str]:
    """The spec of a request, complete, and the stem of its file's name.

    Args:
        data: Its members.
        default_dataset: What is meant where none is named.

    Raises:
        SpecError: One sentence that names the first wrong field.
    """
    if "query" in data:
        raise SpecError("query", "SQL is not taken over HTTP; name a dataset (GET /datasets lists them)")
    if "sqlWhere" in data or "sql_where" in data:
        raise SpecError("sqlWhere", "SQL is not taken over HTTP; give a filter")
    names = ExportSpec.members()
    unknown = next((name for name in data if name not in names and name not in names.values()), None)
    if unknown is not None:
        allowed = ", ".join(name for name in names if name not in ("query", "sqlWhere"))
        raise SpecError(None, f"unknown member {unknown!r}; allowed are {allowed}")
    named = data.get("dataset") is not None or data.get("datasets") is not None
    spec = parse_spec(data if named else {**data, "dataset": default_dataset})
    if (listed := spec.listed_values()) > MAX_FILTER_VALUES:
        raise SpecError(
            "filter",
            f"the lists of all terms may have {MAX_FILTER_VALUES} values together (got {listed}); "
            "ask for a table or view that has them",
        )
    return spec, (spec.dataset or DEFAULT_STEM) if named else DEFAULT_STEM
