"""What goes into a run and what comes out of it: sizes, progress, result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from polyglot_export.errors import SpecError
from polyglot_export.execution.rate import check_rate
from polyglot_export.limits import CHUNK_BYTES, ROW_BYTES, WINDOW_BYTES, Limits, default_workers

__all__ = ["ExportResult", "Progress", "RunSettings"]


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How an export is run. Its bytes do not depend on any of this."""

    workers: int | None = None
    """Connections and threads; ``None`` for one a CPU, at most ``limits.DEFAULT_WORKERS_LIMIT``."""
    chunk_bytes: int = CHUNK_BYTES
    """Bytes of a chunk, about; the last one may be smaller."""
    window_bytes: int = WINDOW_BYTES
    """Bytes of later segments that may wait for the head segment."""
    row_bytes: int = ROW_BYTES
    """Largest row that is accepted, in bytes."""
    rate_limit: float | None = None
    """Bytes a second that the export is read at most; ``None`` for no limit."""
    statement_timeout: float | None = None
    """Seconds that the server may work on one statement of a worker (one segment, or a whole query); ``None`` for no
    limit."""
    application_name: str | None = None
    """What ``pg_stat_activity`` shows; ``polyglot`` and a random number by default."""

    def session(self) -> tuple[str, ...]:
        """What the workers set beside the settings of every export."""
        if self.statement_timeout is None:
            return ()
        return (f"SET LOCAL statement_timeout = '{max(1, round(self.statement_timeout * 1000))}ms'",)

    def limits(self) -> Limits:
        """The sizes for the core."""
        workers = default_workers() if self.workers is None else self.workers
        if workers < 1:
            raise SpecError("workers", f"must be at least 1 (got {workers})")
        check_rate(self.rate_limit)
        return Limits(workers, self.chunk_bytes, self.window_bytes, self.row_bytes)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an export is."""

    rows: int
    """Rows whose bytes have been handed out."""
    bytes: int
    """Bytes handed out, after compression."""
    segments_done: int
    segments_total: int
    estimated_rows: int | None
    """The planner's guess."""
    losses: Mapping[str, int]
    """How many values were nulled, replaced or dropped as an option asked for, by target column; only columns with
    losses."""
    finished: bool

    @property
    def fraction(self) -> float | None:
        """From 0 to 1; ``None`` where there is nothing to judge by."""
        if self.finished:
            return 1.0
        if self.segments_total > 1:
            return self.segments_done / self.segments_total
        if self.estimated_rows:
            # An estimate may be wrong: only the end is 1.
            return min(self.rows / self.estimated_rows, 0.99)
        return None


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What a complete export was."""

    rows: int
    bytes: int
    seconds: float
    """From the call that opened it to its last byte."""
    losses: Mapping[str, int]
    snapshot: str
