"""What was measured, as plain data: the table, the JSON file and the chart are made from it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["Report", "Result", "Run"]


@dataclass(frozen=True)
class Run:
    """One run and the psql that ran just before it.

    Attributes:
        seconds: From the start of the process to its end.
        cpu: CPU seconds of the process and of those it waited for.
        server_cpu: CPU seconds of the server; ``None`` where it is not known.
        peak: Largest resident set in bytes, of the largest process of a pipeline.
        floor: Seconds of psql's own copy as csv to /dev/null.
    """

    seconds: float
    cpu: float
    server_cpu: float | None
    peak: int
    floor: float


@dataclass(frozen=True)
class Result:
    """One tool in one form.

    Attributes:
        case: A name of ``cases.CASES``.
        name: The tool; ``polyglot`` is ours.
        runs: In their order; none where the tool failed.
        rows: Rows that a reader found in its file; those of the table when nothing was read back.
        size: Bytes of its file; 0 when nothing was read back.
        problem: What is wrong; ``None`` when nothing is.
    """

    case: str
    name: str
    runs: tuple[Run, ...]
    rows: int
    size: int
    problem: str | None

    def median(self, of: Callable[[Run], float | None]) -> float | None:
        """The median over the runs; ``None`` where there is none."""
        values = self._values(of)
        return statistics.median(values) if values else None

    @property
    def ratio(self) -> float | None:
        """The median of the time by that of psql beside it."""
        return self.median(lambda run: run.seconds / run.floor)

    def members(self, plain: int | None) -> dict[str, object]:
        """For JSON.

        Args:
            plain: Bytes of the table as csv, for the compression ratio; ``None`` where it does not apply.
        """
        seconds = self.median(lambda run: run.seconds)
        return {
            "case": self.case,
            "name": self.name,
            "problem": self.problem,
            "rows": self.rows,
            "bytes": self.size,
            "compressionRatio": round(plain / self.size, 2) if plain and self.size else None,
            "rowsPerSecond": round(self.rows / seconds) if seconds else None,
            "megabytesPerSecond": round(self.size / seconds / 1e6, 1) if seconds else None,
            "seconds": self._spread(lambda run: run.seconds),
            "ratio": self._spread(lambda run: run.seconds / run.floor),
            "floorSeconds": self._spread(lambda run: run.floor),
            "clientCpuSeconds": self._spread(lambda run: run.cpu),
            "serverCpuSeconds": self._spread(lambda run: run.server_cpu),
            "peakBytes": max((run.peak for run in self.runs), default=None),
        }

    def _values(self, of: Callable[[Run], float | None]) -> list[float]:
        return [value for run in self.runs if (value := of(run)) is not None]

    def _spread(self, of: Callable[[Run], float | None]) -> dict[str, float] | None:
        values = self._values(of)
        if not values:
            return None
        return {
            "median": round(statistics.median(values), 3),
            "min": round(min(values), 3),
            "max": round(max(values), 3),
        }


@dataclass(frozen=True)
class Report:
    """A whole run of the command.

    Attributes:
        facts: Machine, versions, table, pairs.
        results: Case by case, ours first.
        unavailable: Tool → why it did not run.
        versions: Of PostgreSQL and of the tools that are packages of Python.
        plain: Bytes of the table as csv; ``None`` where it was not written.
    """

    facts: dict[str, object]
    results: tuple[Result, ...]
    unavailable: dict[str, str]
    versions: dict[str, str]
    plain: int | None

    def members(self, compressed: Iterable[str]) -> dict[str, object]:
        """For JSON."""
        names = set(compressed)
        results = [result.members(self.plain if result.case in names else None) for result in self.results]
        return {"facts": self.facts, "versions": self.versions, "results": results, "unavailable": self.unavailable}
