"""How large an export of the service may be: its workers, its window and its chunks, and what they take.

The bytes of an export do not depend on its sizes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from polyglot_export.admission.budget import Share
from polyglot_export.limits import CHUNK_BYTES, WINDOW_WORKERS, Limits, window_bytes
from polyglot_export.planning.reservation import Shape, export_bytes, row_factor

__all__ = ["LEAST_ROW_LIMIT", "SIZES", "Needs", "Sized", "planning_share"]

KIB = 1 << 10
MIB = 1 << 20

PLANNING_BYTES = 1 * MIB
"""What an export has while it is planned, beside its request."""
PLANNING_COPIES = 14
"""How often its request is held meanwhile (``Job.weight``): as texts of up to four bytes a character, quoted, as the
statements, in libpq's buffers, and in the server's answer, which repeats it. 23 MB were measured for a text of 900 kB,
whose weight is 1.8 MB."""
RUNNING_COPIES = 6
"""The same while it runs: in the plan, and as the statement of a worker."""
SIZES = (
    (16 * MIB, CHUNK_BYTES),
    (8 * MIB, CHUNK_BYTES),
    (4 * MIB, CHUNK_BYTES),
    (2 * MIB, CHUNK_BYTES),
    (1 * MIB, CHUNK_BYTES // 2),
    (256 * KIB, CHUNK_BYTES // 4),
)
"""Window and chunk, from an export that is alone to one of many. 16 MiB are two segments; more gains nothing, for as
many as ``limits.WINDOW_WORKERS`` workers. Further ones are there only with the window that they need."""
LEAST_SHARED_WINDOW = 2 * MIB
"""Window below which a second worker would only wait for the first. A worker that is alone never uses more: what it
works on is always the next to be sent."""
LEAST_ROW_LIMIT = 1 * MIB
"""No export runs with a smaller row limit, however little memory there is."""


@dataclass(frozen=True, slots=True)
class Sized(Share):
    """A share, and the sizes that it pays for."""

    limits: Limits = field(default_factory=Limits)


def planning_share(weight: int, held: int = 0) -> Share:
    """What an export needs until its plan is known. The worker is the one that it cannot do without.

    Args:
        weight: Of its request (``Job.weight``).
        held: Bytes that its destination holds.
    """
    return Share(PLANNING_BYTES + PLANNING_COPIES * weight + held, 1)


class Needs:
    """What a planned export asks for (a :class:`~polyglot_export.admission.budget.Demand`). What is written of
    a set of files one after the other needs no more than the one of them that needs most.
    """

    def __init__(
        self,
        planned: Sequence[tuple[Shape, int]],
        *,
        workers: int,
        row_bytes: int,
        capacity: int,
        weight: int = 0,
        held: int = 0,
    ) -> None:
        """Set up.

        Args:
            planned: What is exported, with its number of segments; more workers than that have nothing to do.
            workers: The most that are allowed.
            row_bytes: The row limit. It is lowered where such a row would not fit even into an export that is alone.
            capacity: Bytes for all exports.
            weight: Of the request (``Job.weight``).
            held: Bytes that its destination holds.
        """
        self._planned = planned
        self._apart = RUNNING_COPIES * weight + held
        """Bytes beside those of the export itself."""
        self._workers = max(1, min(workers, max(segments for _, segments in planned)))
        room = capacity - self._apart
        self._row_bytes = min(_affordable(shape, segments, row_bytes, room) for shape, segments in planned)

    @property
    def least(self) -> Sized:
        """One worker, and the smallest window and chunks."""
        return self._sized(1, *SIZES[-1])

    def within(self, size: int, workers: int) -> Sized | None:
        """The best sizes: as many workers as there may be, then as large a window as fits."""
        return next((sized for sized in self._all(min(workers, self._workers)) if sized.bytes <= size), None)

    def _all(self, workers: int) -> Iterator[Sized]:
        for count in range(workers, WINDOW_WORKERS, -1):
            yield self._sized(count, window_bytes(count), CHUNK_BYTES)
        for count in range(min(workers, WINDOW_WORKERS), 0, -1):
            for window, chunk in SIZES:
                if window == LEAST_SHARED_WINDOW or (window > LEAST_SHARED_WINDOW) == (count > 1):
                    yield self._sized(count, window, chunk)

    def _sized(self, workers: int, window: int, chunk: int) -> Sized:
        limits = Limits(workers, chunk, window, self._row_bytes)
        most = max(export_bytes(shape, limits, segments=segments) for shape, segments in self._planned)
        return Sized(self._apart + most, workers, limits)


def _affordable(shape: Shape, segments: int, row_bytes: int, capacity: int) -> int:
    """The row limit, lowered where the least export with such a row would need more than there is for all."""
    window, chunk = SIZES[-1]
    over = export_bytes(shape, Limits(1, chunk, window, row_bytes), segments=segments) - capacity
    if over <= 0:
        return row_bytes
    return max(LEAST_ROW_LIMIT, row_bytes - math.ceil(over / row_factor(shape.format)))
