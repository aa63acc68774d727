"""How large an export of the service may be, and how it is opened.

Two steps, since only a plan says what an export needs, and a plan needs a connection:

1. It waits for its turn with the little that planning takes.
2. With the plan it takes the sizes that fit what is free and how many others there are. Where there is no room, its
   connection is closed, so that no snapshot and no lock waits, and it is first in the queue for what it needs; then it
   is planned anew.

The bytes of an export do not depend on its sizes.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from polyglot_export.access.exposure import Exposure
from polyglot_export.cancel import CancelToken
from polyglot_export.errors import Busy, Cancelled, InternalError
from polyglot_export.execution.export import Export
from polyglot_export.execution.run import RunSettings
from polyglot_export.library.sync import open_export
from polyglot_export.limits import CHUNK_BYTES, INLINE_ROW_BYTES, Limits, default_workers
from polyglot_export.planning.plan import Plan
from polyglot_export.planning.reservation import Shape, export_bytes, row_factor
from polyglot_export.request.spec import ExportSpec
from polyglot_export.service.admission.budget import Reservation, Share

if TYPE_CHECKING:
    from polyglot_export.service.container import Service

__all__ = ["PLANNING", "Needs", "Opening", "of"]

KB = 1 << 10
MB = 1 << 20

PLANNING = Share(1 * MB, 1)
"""What an export has while it is planned. The worker is the one that it cannot do without."""
SIZES = (
    (16 * MB, CHUNK_BYTES),
    (8 * MB, CHUNK_BYTES),
    (4 * MB, CHUNK_BYTES),
    (2 * MB, CHUNK_BYTES),
    (1 * MB, CHUNK_BYTES // 2),
    (256 * KB, CHUNK_BYTES // 4),
)
"""Window and chunk, from an export that is alone to one of many. 16 MB are two segments; more gains nothing."""
LEAST_SHARED_WINDOW = 2 * MB
"""Window below which a second worker would only wait for the first. A worker that is alone never uses more: it is its
own head."""
LEAST_ROW_LIMIT = 1 * MB
"""No export runs with a smaller row limit, however little memory there is."""
ATTEMPTS = 3
"""How often an export is planned anew because its source has grown while it waited."""


@dataclass(frozen=True, slots=True)
class Sized(Share):
    """A share, and the sizes that it pays for."""

    limits: Limits = field(default_factory=Limits)


class Needs:
    """What a planned export asks for."""

    def __init__(self, shape: Shape, segments: int, *, workers: int, row_bytes: int, capacity: int) -> None:
        """Set up.

        Args:
            shape: What is exported.
            segments: How many there are; more workers than that have nothing to do.
            workers: The most that are allowed.
            row_bytes: The row limit. It is lowered where such a row would not fit even into an export that is alone.
            capacity: Bytes for all exports.
        """
        self._shape = shape
        self._segments = segments
        self._workers = max(1, min(workers, segments))
        self._row_bytes = _affordable(shape, segments, row_bytes, capacity)

    @property
    def least(self) -> Sized:
        """One worker, and the smallest window and chunks."""
        return self._sized(1, *SIZES[-1])

    def within(self, size: int, workers: int) -> Sized | None:
        """The best sizes: as many workers as there may be, then as large a window as fits."""
        return next((sized for sized in self._all(min(workers, self._workers)) if sized.bytes <= size), None)

    def _all(self, workers: int) -> Iterator[Sized]:
        for count in range(workers, 0, -1):
            for window, chunk in SIZES:
                if window == LEAST_SHARED_WINDOW or (window > LEAST_SHARED_WINDOW) == (count > 1):
                    yield self._sized(count, window, chunk)

    def _sized(self, workers: int, window: int, chunk: int) -> Sized:
        limits = Limits(workers, chunk, window, self._row_bytes)
        return Sized(export_bytes(self._shape, limits, segments=self._segments), workers, limits)


class _NoRoom(Exception):
    """There is no room for the export that was just planned."""

    def __init__(self, needs: Needs) -> None:
        super().__init__()
        self.needs = needs


class Opening:
    """One run: what it asks for while it is planned (a :class:`~polyglot_export.service.admission.budget.Demand`), and
    how it is opened.
    """

    least = PLANNING

    def __init__(self, service: Service, spec: ExportSpec, export_id: str) -> None:
        """Set up; its memory comes from ``service.budget.reserve(opening, …)``, and its owner releases it.

        Args:
            service: Whose memory and connections.
            spec: What is exported.
            export_id: Shown in ``pg_stat_activity``.
        """
        settings = service.settings
        self._budget = service.budget
        self._spec = spec
        self._dsn = settings.database_url
        self._workers = settings.workers or default_workers()
        self._seconds: float | None = None
        self._reservation: Reservation | None = None
        self._loop = asyncio.get_running_loop()
        self._run = RunSettings(
            row_bytes=settings.row_limit,
            rate_limit=settings.rate_limit,
            statement_timeout=settings.statement_timeout,
            settle=self._settle,
            # PostgreSQL keeps 63 bytes of it.
            application_name=f"polyglot {export_id}",
        )

    @property
    def bytes(self) -> int:
        """What it would take alone, by its format; its plan may know better."""
        compression = self._spec.compression.value if self._spec.compression is not None else None
        shape = Shape(self._spec.format.value, compression, largest_row=INLINE_ROW_BYTES)
        window, chunk = SIZES[0]
        return min(
            self._budget.capacity, export_bytes(shape, Limits(self._workers, chunk, window, self._run.row_bytes))
        )

    def within(self, size: int, workers: int) -> Share | None:
        """To plan takes the same for all."""
        return PLANNING if PLANNING.bytes <= size and PLANNING.workers <= workers else None

    def granted(self, reservation: Reservation, seconds: float | None) -> None:
        """Its turn has come."""
        self._reservation = reservation
        self._seconds = seconds

    def opener(self, exposure: Exposure) -> Callable[[CancelToken], Export]:
        """A function that opens the export, for the thread that will pull it.

        Args:
            exposure: What may be read.
        """

        def opened(token: CancelToken) -> Export:
            for _ in range(ATTEMPTS):
                try:
                    return open_export(self._spec, dsn=self._dsn, exposure=exposure, run=self._run, token=token)
                except _NoRoom as refused:
                    self._wait_for(refused.needs, token)
            raise Busy("the table grew again and again while the export waited for memory; try again later")

        return opened

    def _settle(self, plan: Plan) -> Plan:
        """The plan with sizes that there is room for."""
        reservation = self._held()
        needs = Needs(
            Shape.of(plan),
            plan.segments,
            workers=self._workers,
            row_bytes=plan.limits.row_bytes,
            capacity=self._budget.capacity,
        )
        share = self._budget.resize(reservation, needs)
        if not isinstance(share, Sized):
            raise _NoRoom(needs)
        return replace(plan, limits=share.limits)

    def _wait_for(self, needs: Needs, token: CancelToken) -> None:
        """Wait in the thread that opens; the loop gives the turn."""
        waiting = asyncio.run_coroutine_threadsafe(
            self._budget.exchange(self._held(), needs, self._seconds), self._loop
        )

        def leave() -> None:
            waiting.cancel()

        forget = token.on_cancel(leave)
        try:
            waiting.result()
        except CancelledError:
            raise Cancelled("the export was cancelled") from None
        finally:
            forget()

    def _held(self) -> Reservation:
        if self._reservation is None:
            raise InternalError("an export is opened with a reservation only")
        return self._reservation


def of(service: Service, spec: ExportSpec, export_id: str) -> Opening:
    """How a run of a spec is opened."""
    return Opening(service, spec, export_id)


def _affordable(shape: Shape, segments: int, row_bytes: int, capacity: int) -> int:
    """The row limit, lowered where the least export with such a row would need more than there is for all."""

    def least(row: int) -> int:
        window, chunk = SIZES[-1]
        return export_bytes(shape, Limits(1, chunk, window, row), segments=segments)

    over = least(row_bytes) - capacity
    if over <= 0:
        return row_bytes
    return max(LEAST_ROW_LIMIT, row_bytes - math.ceil(over / row_factor(shape.format)))
