"""Runs psql and a tool in turn, each in a process of its own. Then the tool writes a real file, which is read back."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from polyglot_export.cli.bench.cases import CASES, Case
from polyglot_export.cli.bench.limit import drain
from polyglot_export.cli.bench.psql import copy_command
from polyglot_export.cli.bench.readers import problem_of
from polyglot_export.cli.bench.results import Result, Run
from polyglot_export.cli.bench.source import Source
from polyglot_export.cli.bench.tool import Job, Tool
from polyglot_export.cli.bench.watch import Seen, Watch
from polyglot_export.errors import PolyglotError
from polyglot_export.testing.usage import Usage, measure

__all__ = ["Bench", "Manner"]

BACKEND_SECONDS = 0.2
"""How long to wait before the server's CPU time is read. A backend ends a moment after its client, and only then the
kernel adds its time to that of the postmaster."""
QUIET_SECONDS = 0.5
"""How long the server is watched while nothing is exported."""
SLOW = 5.0
"""A tool that takes so many times as long as psql, and :data:`SLOW_SECONDS`, runs once: more runs would say the same.
"""
SLOW_SECONDS = 4.0
ERROR_CHARACTERS = 300
"""How much of the end of a failed tool's error output is shown."""
NOWHERE = Path("/dev/null")


@dataclass(frozen=True)
class Manner:
    """How tools are measured.

    Attributes:
        pairs: How often each tool runs.
        check: Whether a file is written and read back.
        timeout: Seconds after which one run is ended.
        disk: The folder of the files of measured runs, each of which is on the disk (fsync) before its time is over;
            with ``None`` they go to /dev/null.
        connections: Of the measure of the limit; as many as our workers.
    """

    pairs: int
    check: bool
    timeout: float
    disk: Path | None = None
    connections: int = 1


class Bench:
    """Measures tools on one table.

    Args:
        source: The table.
        folder: For the files that are read back; each is removed at once.
        manner: How.
    """

    def __init__(self, source: Source, folder: Path, manner: Manner) -> None:
        self._source = source
        self._folder = folder
        self._manner = manner
        self._scratch = folder / "scratch"

    def warm_up(self) -> None:
        """Read the table once. The first reader fetches its pages from disk, and no measured run should be that one."""
        self._floor()

    def quiet(self) -> Seen:
        """What the probe sees of a server that does nothing else."""
        with Watch(self._source) as watch:
            time.sleep(QUIET_SECONDS)
        return watch.seen()

    def compare(self, case: Case, tools: Sequence[Tool], say: Callable[[str], None]) -> list[Result]:
        """Measure all tools in one form, in as many rounds as there are pairs: psql, tool, psql, next tool …"""
        runs: dict[Tool, list[Run]] = {tool: [] for tool in tools}
        failed: dict[Tool, str] = {}
        for number in range(self._manner.pairs):
            limit = self._limit()
            for tool in tools:
                if tool in failed or _slow(runs[tool]):
                    continue
                floor = self._floor()
                try:
                    runs[tool].append(replace(self._pair(tool, case, floor), round=number, limit=limit))
                except PolyglotError as error:
                    failed[tool] = error.message
                    runs[tool].clear()
        results = []
        for tool in tools:
            result = self._result(tool, case, tuple(runs[tool]), failed.get(tool))
            say(_line(result))
            results.append(result)
        return results

    def write(self, tool: Tool, case: Case, target: Path) -> Usage:
        """Have one file written.

        Raises:
            PolyglotError: The tool failed or took too long.
        """
        # What stood there before would have to be cut off first, and that would count.
        if target != NOWHERE:
            target.unlink(missing_ok=True)
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir()
        job = self._job(target, case.name)
        return self._run(tool.command(job), tool.environment(job))

    def _limit(self) -> float | None:
        try:
            return drain(self._source, self._manner.connections).seconds
        except PolyglotError:
            return None

    def _floor(self) -> float:
        target = self._target(CASES["csv"])
        if target != NOWHERE:
            target.unlink(missing_ok=True)
        command = copy_command(self._source.psql, self._job(target, "csv").name, str(target))
        usage = self._run(command, self._job(target, "csv").environment())
        return usage.seconds + self._settled(target)

    def _pair(self, tool: Tool, case: Case, floor: float) -> Run:
        before = self._server_cpu()
        target = self._target(case)
        usage = self.write(tool, case, target)
        waited = self._settled(target)
        after = self._server_cpu()
        spent = after - before if before is not None and after is not None else None
        return Run(usage.seconds + waited, usage.cpu, spent, usage.peak, floor)

    def _target(self, case: Case) -> Path:
        return NOWHERE if self._manner.disk is None else self._manner.disk / f"polyglot-bench.{case.name}"

    def _settled(self, target: Path) -> float:
        """Seconds until a file that was written is on the disk; those of a tool that has waited for that are few."""
        if target == NOWHERE:
            return 0.0
        began = time.perf_counter()
        for path in (target, target.parent):
            try:
                opened = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                raise PolyglotError(f"no file was written to {target}") from None
            try:
                os.fsync(opened)
            finally:
                os.close(opened)
        waited = time.perf_counter() - began
        target.unlink()
        return waited

    def _result(self, tool: Tool, case: Case, runs: tuple[Run, ...], problem: str | None) -> Result:
        rows, size, seen = self._source.rows, 0, None
        if problem is None and self._manner.check:
            target = self._folder / f"table.{case.name}"
            try:
                with Watch(self._source) as watch:
                    self.write(tool, case, target)
                time.sleep(BACKEND_SECONDS)
                seen = watch.seen()
                rows, problem = problem_of(target, case, self._source, ours=tool.name == "polyglot")
                size = target.stat().st_size
            except (PolyglotError, OSError) as error:
                problem = str(error)
            finally:
                target.unlink(missing_ok=True)
        return Result(case.name, tool.name, runs, rows, size, problem, seen)

    def _run(self, command: list[str], more: dict[str, str]) -> Usage:
        try:
            usage = measure(command, env={**self._source.server.environment(), **more}, timeout=self._manner.timeout)
        except (TimeoutError, RuntimeError) as error:
            raise PolyglotError(str(error)) from None
        if usage.exit_code != 0:
            raise PolyglotError(
                f"{Path(command[0]).name} ended with {usage.exit_code}: {usage.errors.strip()[-ERROR_CHARACTERS:]}"
            )
        return usage

    def _job(self, target: Path, case: str) -> Job:
        source = self._source
        return Job(case, str(target), source.schema, source.table, source.server.uri, source.psql, str(self._scratch))

    def _server_cpu(self) -> float | None:
        if self._source.postmaster is None:
            return None
        time.sleep(BACKEND_SECONDS)
        return self._source.server_cpu()


def _slow(runs: Sequence[Run]) -> bool:
    return bool(runs) and runs[-1].seconds > max(SLOW_SECONDS, SLOW * runs[-1].floor)


def _line(result: Result) -> str:
    if not result.runs:
        return f"{result.case}: {result.name}: {result.problem}"
    pairs = ", ".join(f"{run.seconds / run.floor:.2f}" for run in result.runs)
    return f"{result.case}: {result.name}: {pairs}{f' WRONG: {result.problem}' if result.problem else ''}"
