"""The engine whose chunks are batches of Arrow in memory: the threads of the Rust core, and no file."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from polyglot_export import _core
from polyglot_export.errors import InternalError
from polyglot_export.execution.engines.base import ChunkStream, FileStream
from polyglot_export.planning.plan import Plan

__all__ = ["BatchEngine"]


class BatchEngine:
    """Runs a plan of the format ``arrow``."""

    name = "batches"

    def open(self, plan: Plan) -> ChunkStream:
        """The batches of a plan. An export only hands them on, so it may take them for bytes."""
        batches = plan.encoder._replace(arrow_container="batches")
        return cast("ChunkStream", _core.ArrowStream(replace(plan, encoder=batches)))

    def open_files(self, _plan: Plan) -> FileStream:
        """No files."""
        raise InternalError("batches are not laid into files")
