"""Runs psql and a tool in turn, each in a process of its own. Then the tool writes a real file, which is read back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from polyglot_export.cli.bench.cases import Case
from polyglot_export.cli.bench.psql import copy_command
from polyglot_export.cli.bench.readers import problem_of
from polyglot_export.cli.bench.results import Result, Run
from polyglot_export.cli.bench.source import Source
from polyglot_export.cli.bench.tool import Job, Tool
from polyglot_export.errors import PolyglotError
from polyglot_export.testing.usage import Usage, measure

__all__ = ["Bench"]

BACKEND_SECONDS = 0.2
"""How long to wait before the server's CPU time is read. A backend ends a moment after its client, and only then the
kernel adds its time to that of the postmaster."""
ERROR_CHARACTERS = 300
"""How much of the end of a failed tool's error output is shown."""


class Bench:
    """Measures tools on one table.

    Args:
        source: The table.
        folder: For the files that are read back; each is removed at once.
        pairs: How often each tool runs.
        check: Whether a file is written and read back.
        timeout: Seconds after which one run is ended.
    """

    def __init__(self, source: Source, folder: Path, *, pairs: int, check: bool, timeout: float) -> None:
        self._source = source
        self._folder = folder
        self._pairs = pairs
        self._check = check
        self._timeout = timeout

    def warm_up(self) -> None:
        """Read the table once. The first reader fetches its pages from disk, and no measured run should be that one."""
        self._floor()

    def compare(self, case: Case, tools: Sequence[Tool], say: Callable[[str], None]) -> list[Result]:
        """Measure all tools in one form, in as many rounds as there are pairs: psql, tool, psql, next tool …"""
        runs: dict[Tool, list[Run]] = {tool: [] for tool in tools}
        failed: dict[Tool, str] = {}
        for _ in range(self._pairs):
            for tool in tools:
                if tool in failed:
                    continue
                floor = self._floor()
                try:
                    runs[tool].append(self._pair(tool, case, floor))
                except PolyglotError as error:
                    failed[tool] = error.message
                    runs[tool].clear()
        results = []
        for tool in tools:
            result = self._result(tool, case, tuple(runs[tool]), failed.get(tool))
            say(_line(result))
            results.append(result)
        return results

    def _floor(self) -> float:
        command = copy_command(self._source.psql, self._job(Path("/dev/null"), "csv").name, "/dev/null")
        return self._run(command, {}).seconds

    def _pair(self, tool: Tool, case: Case, floor: float) -> Run:
        before = self._server_cpu()
        usage = self._start(tool, case, Path("/dev/null"))
        after = self._server_cpu()
        spent = after - before if before is not None and after is not None else None
        return Run(usage.seconds, usage.cpu, spent, usage.peak, floor)

    def _result(self, tool: Tool, case: Case, runs: tuple[Run, ...], problem: str | None) -> Result:
        rows, size = self._source.rows, 0
        if problem is None and self._check:
            target = self._folder / f"table.{case.name}"
            try:
                self._start(tool, case, target)
                rows, problem = problem_of(target, case, self._source, ours=tool.name == "polyglot")
                size = target.stat().st_size
            except (PolyglotError, OSError) as error:
                problem = str(error)
            finally:
                target.unlink(missing_ok=True)
        return Result(case.name, tool.name, runs, rows, size, problem)

    def _start(self, tool: Tool, case: Case, target: Path) -> Usage:
        job = self._job(target, case.name)
        return self._run(tool.command(job), job.environment())

    def _run(self, command: list[str], more: dict[str, str]) -> Usage:
        try:
            usage = measure(command, env={**self._source.server.environment(), **more}, timeout=self._timeout)
        except (TimeoutError, RuntimeError) as error:
            raise PolyglotError(str(error)) from None
        if usage.exit_code != 0:
            raise PolyglotError(
                f"{Path(command[0]).name} ended with {usage.exit_code}: {usage.errors.strip()[-ERROR_CHARACTERS:]}"
            )
        return usage

    def _job(self, target: Path, case: str) -> Job:
        source = self._source
        return Job(case, str(target), source.schema, source.table, source.server.uri, source.psql)

    def _server_cpu(self) -> float | None:
        if self._source.postmaster is None:
            return None
        time.sleep(BACKEND_SECONDS)
        return self._source.server_cpu()


def _line(result: Result) -> str:
    if not result.runs:
        return f"{result.case}: {result.name}: {result.problem}"
    pairs = ", ".join(f"{run.seconds / run.floor:.2f}" for run in result.runs)
    return f"{result.case}: {result.name}: {pairs}{f' WRONG: {result.problem}' if result.problem else ''}"
