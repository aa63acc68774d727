"""The memory of an export, from its plan: the sum of all its buffers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from polyglot_export.compressions import Compression
from polyglot_export.formats.registry import Format
from polyglot_export.limits import (
    APPENDED_ROW_GROUPS,
    ARROW_BATCHES_IN_HAND,
    ARROW_VALUE_BYTES,
    COLUMN_BYTES,
    CONNECTION_BYTES,
    HELD_CHUNKS,
    LEADER_BYTES,
    PAGE_BYTES,
    READ_BUFFER_BYTES,
    ROUTE_CHUNK_BYTES,
    ROUTE_FOOTERS_BYTES,
    ROW_GROUP_BYTES,
    ROW_ON_PAGE_BYTES,
    Limits,
)
from polyglot_export.planning.plan import Plan, Route

__all__ = ["Shape", "export_bytes", "reservation", "row_allowance", "row_factor"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What the memory of an export depends on, apart from its sizes."""

    format: str
    """A value of :class:`Format`; its record tells what it holds."""
    compression: str | None = None
    """A value of :class:`Compression`, or ``None``."""
    columns: int = 16
    row_group_bytes: int = ROW_GROUP_BYTES
    """Bound of a row group, encoded."""
    largest_row: int | None = None
    """Bytes of the largest row that there can be; ``None`` where only the row limit bounds it."""

    @classmethod
    def of(cls, plan: Plan) -> Shape:
        """The shape of a planned export."""
        return cls(plan.encoder.format, plan.compression, len(plan.columns), _row_group_bytes(plan), plan.largest_row)


def reservation(plan: Plan, destination_bytes: int = 0) -> int:
    """Bytes that this export may take at its highest, apart from what the process has anyway.

    Args:
        plan: Of the export.
        destination_bytes: What its destination holds (``Capabilities.memory_bytes``).
    """
    if plan.route is not None:
        return _routed_bytes(Shape.of(plan), plan.limits, plan.route, destination_bytes)
    return export_bytes(Shape.of(plan), plan.limits, segments=plan.segments) + destination_bytes


def export_bytes(shape: Shape, limits: Limits, *, segments: int | None = None) -> int:
    """The sum of all buffers.

    Args:
        shape: What is exported.
        limits: Its sizes. The largest row is counted once for the whole export: it passes through one worker at a time.
        segments: How many there are, if that is known: nothing waits behind the only one.
    """
    worker = CONNECTION_BYTES + READ_BUFFER_BYTES + 2 * limits.chunk_bytes + COLUMN_BYTES * shape.columns
    memory = Format(shape.format).record.memory
    worker += memory.worker_bytes + min(memory.column_bytes * shape.columns, memory.columns_bytes)
    if memory.row_groups:
        worker += shape.row_group_bytes
    batch = min(memory.batch_bytes, _batch_bytes(shape))
    worker += memory.batch_factor * batch
    shared = (
        ARROW_BATCHES_IN_HAND * batch + LEADER_BYTES + HELD_CHUNKS * limits.chunk_bytes + row_allowance(shape, limits)
    )
    if segments != 1:
        shared += limits.window_bytes
    if memory.row_groups:
        shared += APPENDED_ROW_GROUPS * shape.row_group_bytes
    if shape.compression is not None:
        compression = Compression(shape.compression).record
        worker += compression.worker_bytes
        shared += compression.shared_bytes
    return limits.workers * worker + shared


def _routed_bytes(shape: Shape, limits: Limits, route: Route, destination_bytes: int) -> int:
    """The same for rows that are laid into several files: no segment waits behind another one, a row group has no more
    than the rows that wait for it, and the one worker appends it itself.
    """
    files = destination_bytes + ROUTE_CHUNK_BYTES
    if shape.compression is not None:
        files += Compression(shape.compression).record.shared_bytes
    group = min(shape.row_group_bytes, route.waiting_bytes)
    chunk = min(limits.chunk_bytes, ROUTE_CHUNK_BYTES)
    one = export_bytes(replace(shape, row_group_bytes=group), replace(limits, chunk_bytes=chunk), segments=1)
    waiting = route.waiting_bytes * 5 // 4 + 2 * limits.chunk_bytes
    if Format(shape.format).record.memory.row_groups:
        one += ROUTE_FOOTERS_BYTES - (APPENDED_ROW_GROUPS - 1) * group
    return one + waiting + route.open_files * files


def row_allowance(shape: Shape, limits: Limits) -> int:
    """Bytes for the largest row and its copies."""
    largest = limits.row_bytes if shape.largest_row is None else min(limits.row_bytes, shape.largest_row)
    return int(row_factor(shape.format) * largest)


def row_factor(format_: str) -> float:
    """How often a large row is held."""
    return Format(format_).record.memory.row_factor


def _batch_bytes(shape: Shape) -> int:
    """What the rows of a segment take in arrays at most, where even NULL takes the place of a value."""
    rows = shape.row_group_bytes // (2 * ROW_ON_PAGE_BYTES)
    return shape.row_group_bytes + rows * shape.columns * ARROW_VALUE_BYTES


def _row_group_bytes(plan: Plan) -> int:
    """A row group is no larger than its segment, whose rows are stored in pages: twice their bytes where nothing is
    stored elsewhere, computed as it is read, or written twice.

    The factor is what text gains over its stored form (a jsonb document, say); a table that is small on disk because
    its values are compressed is compressed again in the file.
    """
    bound = plan.encoder.row_group_bytes
    pages = [min(scan.pages, scan.pages_per_segment) for scan in plan.scans if scan.pages is not None]
    if plan.largest_row is None or not plan.stored_once or len(pages) < len(plan.scans):
        return bound
    return min(bound, 2 * PAGE_BYTES * max([1, *pages]))
