"""What an export, or one that is only planned, tells of itself: lines for people, and one JSON object for programs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyglot_export.destinations.file import FileDestination, local_path
from polyglot_export.destinations.naming import Target
from polyglot_export.destinations.registry import kind_of
from polyglot_export.destinations.stdout import SPOKEN, STDOUT
from polyglot_export.errors import TargetFailed

if TYPE_CHECKING:
    from polyglot_export.execution.run import ExportResult
    from polyglot_export.planning.plan import Plan

__all__ = ["as_json", "place_text", "plan_members", "result_members"]


def as_json(members: dict[str, Any]) -> str:
    """One line. Text that is not UTF-8, as a name of a file may be, is escaped."""
    import json

    return json.dumps(members)


def result_members(result: ExportResult, plan: Plan, target: Target, sha256: str | None) -> dict[str, Any]:
    """A complete export.

    Args:
        result: What it came to.
        plan: How it was read.
        target: Where it went, and in which form.
        sha256: Digest of its bytes, where it is known.
    """
    return {
        **_form(plan, target),
        "rows": result.rows,
        "bytes": result.bytes,
        "seconds": round(result.seconds, 3),
        "sha256": sha256,
        "snapshot": result.snapshot,
        "columns": _columns(plan),
        "losses": dict(result.losses),
        "remarks": list(result.remarks),
    }


def plan_members(plan: Plan, target: Target, memory_bytes: int) -> dict[str, Any]:
    """An export that is only planned.

    Args:
        plan: How it would be read.
        target: Where it would go, and in which form.
        memory_bytes: What it would hold at most.
    """
    from polyglot_export.limits import PAGE_BYTES

    return {
        **_form(plan, target),
        "estimatedRows": plan.estimated_rows,
        "estimatedBytes": None if plan.pages is None else plan.pages * PAGE_BYTES,
        "segments": plan.segments,
        "workers": plan.limits.workers,
        "memoryBytes": memory_bytes,
        "columns": _columns(plan),
        "notes": list(plan.notes),
        "remarks": list(plan.remarks),
    }


def place_text(target: Target, *, mkdir: bool) -> str:
    """Where an export would go, and what would become of what is there.

    Raises:
        TargetFailed: It could not be written there.
    """
    kind = kind_of(target.path)
    if kind is not FileDestination:
        return SPOKEN if target.path == STDOUT else target.path
    path = Path(local_path(target.path))
    if path.exists():
        if not os.access(path, os.W_OK):
            raise TargetFailed(f"cannot write {target.path}: Permission denied")
        return f"{target.path}, in place of the file that is there"
    folder = path.absolute().parent
    if folder.is_dir():
        if not os.access(folder, os.W_OK | os.X_OK):
            raise TargetFailed(f"cannot write {target.path}: Permission denied")
        return target.path
    if not mkdir:
        raise TargetFailed(f"cannot write {target.path}: there is no folder {folder}; --mkdir makes it")
    return f"{target.path}, in a folder that is made"


def _form(plan: Plan, target: Target) -> dict[str, Any]:
    return {
        "output": target.path,
        "source": plan.source,
        "format": target.format.value,
        "compression": None if target.compression is None else target.compression.value,
    }


def _columns(plan: Plan) -> list[dict[str, str]]:
    """The schema: the names in the file, what they are of, and the types of PostgreSQL."""
    return [{"name": each.target, "source": each.source, "type": each.sql_type} for each in plan.columns]
