"""What was measured, as plain data: the table, the JSON file and the chart are made from it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from polyglot_export.cli.bench.watch import Seen

__all__ = ["Report", "Result", "Run"]


@dataclass(frozen=True)
class Run:
    """One run, the psql that ran just before it, and the limit of the round.

    Attributes:
        seconds: From the start of the process to its end.
        cpu: CPU seconds of the process and of the children that it waited for.
        server_cpu: CPU seconds of the server; ``None`` where they are not known.
        peak: Largest resident set in bytes. In a pipeline it is that of the largest process.
        floor: Seconds that psql took just before for its own copy, as csv to the same place.
        round: In which it ran, from 0.
        limit: Seconds in which the server sent the same rows to nobody, in the same round; ``None`` where that cannot
            be measured.
    """

    seconds: float
    cpu: float
    server_cpu: float | None
    peak: int
    floor: float
    round: int = 0
    limit: float | None = None


@dataclass(frozen=True)
class Result:
    """One tool in one form.

    Attributes:
        case: A name of ``cases.CASES``.
        name: The tool; ``polyglot`` is ours.
        runs: The runs in their order; empty where the tool failed.
        rows: Rows that a reader found in the file; the rows of the table when no file was read back.
        size: Bytes of the file; 0 when no file was read back.
        problem: What is wrong with the file or the tool; ``None`` when all is right.
        seen: What others on the server saw while the file was written that was read back; ``None`` when none was.
    """

    case: str
    name: str
    runs: tuple[Run, ...]
    rows: int
    size: int
    problem: str | None
    seen: Seen | None = None

    def median(self, of: Callable[[Run], float | None]) -> float | None:
        """The median of a figure over the runs; ``None`` where no run has it."""
        values = self._values(of)
        return statistics.median(values) if values else None

    @property
    def ratio(self) -> float | None:
        """The median over the pairs of the tool's time divided by psql's."""
        return self.median(lambda run: run.seconds / run.floor)

    @property
    def to_limit(self) -> float | None:
        """The median over the rounds of the tool's time divided by that of the server alone."""
        return self.median(lambda run: run.seconds / run.limit if run.limit else None)

    def beside(self, other: Result) -> float | None:
        """The median over the rounds that both took part in of the other's time divided by this one's."""
        mine = {run.round: run.seconds for run in self.runs}
        ratios = [run.seconds / mine[run.round] for run in other.runs if run.round in mine]
        return statistics.median(ratios) if ratios else None

    def members(self, plain: int | None) -> dict[str, object]:
        """This result as an object of the JSON file.

        Args:
            plain: Bytes of the table as csv, for the compression ratio; ``None`` where the ratio means nothing.
        """
        seconds = self.median(lambda run: run.seconds)
        return {
            "case": self.case,
            "name": self.name,
            "problem": self.problem,
            "rows": self.rows,
            "runs": len(self.runs),
            "bytes": self.size,
            "compressionRatio": round(plain / self.size, 2) if plain and self.size else None,
            "rowsPerSecond": round(self.rows / seconds) if seconds else None,
            "megabytesPerSecond": round(self.size / seconds / 1e6, 1) if seconds else None,
            "seconds": self._spread(lambda run: run.seconds),
            "ratio": self._spread(lambda run: run.seconds / run.floor),
            "floorSeconds": self._spread(lambda run: run.floor),
            "toLimit": self._spread(lambda run: run.seconds / run.limit if run.limit else None),
            "limitSeconds": self._spread(lambda run: run.limit),
            "clientCpuSeconds": self._spread(lambda run: run.cpu),
            "serverCpuSeconds": self._spread(lambda run: run.server_cpu),
            "peakBytes": max((run.peak for run in self.runs), default=None),
            "beside": None if self.seen is None else self.seen.members(),
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
    """Everything that one call of the command measured.

    Attributes:
        facts: The machine, the table, the number of pairs and the like.
        results: The results case by case; in each ours comes first.
        unavailable: For each tool that could not run, the reason.
        versions: Versions of PostgreSQL and of the tools.
        plain: Bytes of the table as csv; ``None`` where csv was not measured.
        quiet: What others on the server saw while nothing was exported; ``None`` where nobody looked.
    """

    facts: dict[str, object]
    results: tuple[Result, ...]
    unavailable: dict[str, str]
    versions: dict[str, str]
    plain: int | None
    quiet: Seen | None = None

    def members(self, compressed: Iterable[str]) -> dict[str, object]:
        """The whole report as the object of the JSON file.

        Args:
            compressed: Names of the cases that have a compression ratio.
        """
        names = set(compressed)
        results = [result.members(self.plain if result.case in names else None) for result in self.results]
        return {
            "facts": self.facts,
            "versions": self.versions,
            "quiet": None if self.quiet is None else self.quiet.members(),
            "results": results,
            "unavailable": self.unavailable,
        }
