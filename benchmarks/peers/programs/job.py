"""The job of a process, from the environment that :class:`~polyglot_export.cli.bench.tool.Job` writes."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

__all__ = ["given_job", "table_of"]


def given_job() -> SimpleNamespace:
    """The members of ``Job``."""
    return SimpleNamespace(**json.loads(os.environ["POLYGLOT_BENCH_JOB"]))


def table_of(job: SimpleNamespace) -> str:
    """The table as SQL writes it: schema and name, quoted."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in (job.schema, job.table))
