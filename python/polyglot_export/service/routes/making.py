"""What every request does that makes an export: the job, kept and written down before anything is run."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends

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
from polyglot_export.service.dependencies import AuditDep, PreparationsDep, RunsDep, SettingsDep, StoreDep
from polyglot_export.service.http import idempotency
from polyglot_export.service.http.file_headers import DEFAULT_STEM
from polyglot_export.service.logs import about
from polyglot_export.service.replicas.runs import Runs

__all__ = ["MakingDep", "read_spec"]


@dataclass(frozen=True, slots=True)
class Making:
    """Makes exports: each is kept, and written down, before anything of it is run."""

    store: JobStore
    runs: Runs
    preparations: Preparations
    audit: Recorder
    retention: timedelta

    async def of(self, spec: ExportSpec, stem: str, caller: Caller, *, size: int, key: RequestKey | None = None) -> Job:
        """Make one, and have it run where it is for the background.

        Args:
            spec: What is asked for, checked.
            stem: Of its file's name.
            caller: Who asks.
            size: Bytes of the request that asks.
            key: The request's ``Idempotency-Key``.

        Returns:
            The job; or the one that an earlier request with its key has made.

        Raises:
            PolyglotError: There is no room for it.
        """
        at = now()
        job = Job(
            str(uuid.uuid4()),
            caller.name,
            spec,
            stem,
            at,
            at + self.retention,
            self.retention,
            weight=held_bytes(size, spec),
            taken_by=self.runs.replica if spec.in_background else None,
            key=key,
            rights=caller.kept,
        )
        about(exportId=job.id, key=caller.name)
        kept = await self.store.add(job)
        if kept.id != job.id:
            idempotency.check_same(job, kept)
            return kept
        try:
            await self.audit.created(job, caller.rights.role)
            if spec.in_background:
                await self.preparations.accept(job)
        except PolyglotError:
            # Where there is no room for what it makes, or nobody would know of it, there is no job either.
            await self.store.remove(job.id)
            raise
        return kept


async def _making(
    store: StoreDep, runs: RunsDep, preparations: PreparationsDep, audit: AuditDep, settings: SettingsDep
) -> Making:
    return Making(store, runs, preparations, audit, timedelta(seconds=settings.job_retention))


MakingDep = Annotated[Making, Depends(_making)]
"""What makes the export of a call."""


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
