"""What a run is given and what it tells: sizes, progress and result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from polyglot_export.errors import SpecError
from polyglot_export.execution.rate import check_rate
from polyglot_export.fields import is_number
from polyglot_export.limits import CHUNK_BYTES, DATABASE_SECONDS, ROW_BYTES, Limits, default_workers, window_bytes
from polyglot_export.postgres.caller import CallerSettings, read_caller_settings

__all__ = ["ExportResult", "Progress", "RunSettings"]


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How an export is run. Only ``role`` and ``settings`` change its bytes: they tell whose rows it is of."""

    workers: int | None = None
    """How many connections and threads read. ``None``: one for each CPU, at most ``limits.DEFAULT_WORKERS_LIMIT``."""
    chunk_bytes: int = CHUNK_BYTES
    """The approximate size of a chunk in bytes; the last one may be smaller."""
    window_bytes: int | None = None
    """How many bytes of later segments may wait for the segment whose turn it is. ``None``: as many as the workers need
    to keep each other busy (``limits.window_bytes``)."""
    row_bytes: int = ROW_BYTES
    """The largest row that is accepted, in bytes."""
    rate_limit: float | None = None
    """The most bytes to read in a second; ``None`` for no limit."""
    statement_timeout: float | None = None
    """Seconds that the server may work on one statement of a worker (one segment, or a whole query); ``None`` for no
    limit."""
    lock_timeout: float | None = None
    """Seconds that the export may wait for locks that others hold before it reads; ``None`` for no limit."""
    idle_timeout: float | None = None
    """Seconds after which an export is ended that nobody pulls, and its connections closed; ``None`` for no limit."""
    application_name: str | None = None
    """What ``pg_stat_activity`` shows; ``polyglot`` and a random number by default."""
    role: str | None = None
    """The database role under which everything is looked up and read; ``None`` for the login itself."""
    settings: Mapping[str, str | float | bool] | None = None
    """Settings that policies and views read, as ``app.tenant``, and a few of the server's own."""
    guarded: bool = False
    """Whether the role is refused where its login may do more than the role, which code in the database can undo."""

    def caller(self) -> CallerSettings:
        """Role and settings, checked.

        Raises:
            SpecError: One of them cannot be set.
        """
        return read_caller_settings(self.role, self.settings)._replace(guarded=self.guarded)

    def session(self) -> tuple[str, ...]:
        """Settings of the workers' sessions, in addition to those of every export."""
        if self.statement_timeout is None:
            return ()
        return (f"SET LOCAL statement_timeout = '{max(1, round(self.statement_timeout * 1000))}ms'",)

    def limits(self) -> Limits:
        """The sizes as the core reads them."""
        workers = default_workers() if self.workers is None else self.workers
        if not is_number(workers) or workers % 1 or workers < 1:
            raise SpecError("workers", f"must be a whole number of at least 1 (got {workers!r})")
        check_rate(self.rate_limit)
        for name in ("statement_timeout", "lock_timeout", "idle_timeout"):
            _check_seconds(name, getattr(self, name))
        window = window_bytes(int(workers)) if self.window_bytes is None else self.window_bytes
        return Limits(int(workers), self.chunk_bytes, window, self.row_bytes)


class Progress(NamedTuple):
    """How far an export is."""

    rows: int
    """Rows whose bytes have been handed out."""
    bytes: int
    """Bytes handed out, after compression."""
    segments_done: int
    segments_total: int
    estimated_rows: int | None
    """PostgreSQL's estimate of the rows of the table or query."""
    losses: Mapping[str, int]
    """How many values an option made NULL, replaced or dropped, by target column. Columns without losses are left
    out."""
    finished: bool

    narrowed: bool = False
    """Whether the reader may read a part only: the number of segments would tell of the rest."""

    @property
    def fraction(self) -> float | None:
        """The share that is done, from 0 to 1; ``None`` where it cannot be told."""
        if self.finished:
            return 1.0
        if self.segments_total > 1:
            return self.segments_done / self.segments_total
        if self.estimated_rows:
            # An estimate may be too low, so 1 is kept for the end.
            return min(self.rows / self.estimated_rows, 0.99)
        return None


class ExportResult(NamedTuple):
    """The result of a complete export."""

    rows: int
    bytes: int
    seconds: float
    """Seconds from the call that opened the export to its last byte."""
    losses: Mapping[str, int]
    snapshot: str
    remarks: tuple[str, ...] = ()
    """What a reader of the file may not expect, a sentence each, with the option that changes it: a number that is text
    in Parquet, since its type has no precision."""


def _check_seconds(name: str, seconds: float | None) -> None:
    """Refuse a time that makes no sense, or that no server takes.

    Raises:
        SpecError: The time is not above zero, or too long.
    """
    if seconds is not None and not (is_number(seconds) and 0 < seconds <= DATABASE_SECONDS):
        raise SpecError(name, f"must be above 0 seconds, and at most {DATABASE_SECONDS:,} (got {seconds!r})")
