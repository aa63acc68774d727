"""Jobs as JSON, for stores outside of this process.

Numbers of a filter are decimals and keep every digit: pydantic's own JSON would turn them into strings, which mean
something else in a filter.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter, ValidationError

from polyglot_export.access.rights import dump_rights, read_rights
from polyglot_export.errors import InternalError, SpecError
from polyglot_export.jobs.job import Job, JobStatus, Run
from polyglot_export.request.parse import dump_spec, parse_spec
from polyglot_export.text.exact_json import dumps

__all__ = ["VERSION", "NotAJob", "decode_job", "decode_run", "encode_job", "encode_run"]

VERSION = 1
"""Of the form below. It goes up when an older service would misread what is written; members that are only added are
ignored."""

_MADE = ("file", "delivered")
"""Members of a job that are what its run has left."""
_JOB: TypeAdapter[Job] = TypeAdapter(Job)
_RUN: TypeAdapter[Run] = TypeAdapter(Run)


class NotAJob(InternalError):
    """Something else is in the place of a job, or of the progress of a run."""


def encode_job(job: Job) -> str:
    """A job as JSON."""
    apart: Any = {"spec": True, "rights": True, **{name: {"rights"} for name in _MADE}}
    members = _JOB.dump_python(job, mode="json", exclude=apart)
    members["spec"] = dump_spec(job.spec)
    if job.rights is not None:
        members["rights"] = dump_rights(job.rights)
    for name, made in zip(_MADE, (job.file, job.delivered), strict=True):
        if made is not None and made.rights is not None:
            members[name]["rights"] = dump_rights(made.rights)
    return dumps({"version": VERSION, **members})


def decode_job(text: str, *, brief: bool = False) -> Job:
    """What :func:`encode_job` wrote.

    Args:
        text: JSON.
        brief: Of the runs only the latest, and those that are under way.

    Raises:
        InternalError: A newer service wrote it.
        NotAJob: It is none.
    """
    members = _members(text)
    version = members.get("version")
    if version != VERSION:
        raise InternalError(f"a job in the store has version {version!r}; this service reads version {VERSION}")
    try:
        if brief:
            members["runs"] = [run for run in members["runs"][:-1] if run["status"] == JobStatus.RUNNING] + members[
                "runs"
            ][-1:]
        for holder in (members, *filter(None, map(members.get, _MADE))):
            if holder.get("rights") is not None:
                holder["rights"] = read_rights(holder["rights"])
        return _JOB.validate_python({**members, "spec": parse_spec(members["spec"])})
    except (ValidationError, SpecError, KeyError, TypeError) as error:
        raise NotAJob(f"a job in the store cannot be read: {error}") from error


def encode_run(run: Run) -> str:
    """A run as JSON."""
    return dumps(_RUN.dump_python(run, mode="json"))


def decode_run(text: str) -> Run:
    """What :func:`encode_run` wrote.

    Raises:
        NotAJob: It is none.
    """
    try:
        return _RUN.validate_python(_members(text))
    except ValidationError as error:
        raise NotAJob(f"a run in the store cannot be read: {error}") from error


def _members(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise NotAJob(f"what is in the store is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise NotAJob("what is in the store is not a job")
    return value
