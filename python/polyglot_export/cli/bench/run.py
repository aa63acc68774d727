"""What ``polyglot bench`` does: find or fill a table, measure every case, print the report and write the figures."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from polyglot_export import _core
from polyglot_export.cli.bench.cases import CASES, Case
from polyglot_export.cli.bench.ours import Polyglot
from polyglot_export.cli.bench.pairs import Bench, Manner
from polyglot_export.cli.bench.report import report_text
from polyglot_export.cli.bench.results import Report, Result
from polyglot_export.cli.bench.source import RECORDS, Sample, Source, filled, found
from polyglot_export.cli.bench.tool import Tool
from polyglot_export.cli.demo.show import Screen
from polyglot_export.cli.signals import raising_interrupted
from polyglot_export.errors import PolyglotError
from polyglot_export.limits import default_workers
from polyglot_export.postgres.connect import connect
from polyglot_export.testing.postgres import EmbeddedServer

__all__ = ["Choices", "exit_code", "run"]


@dataclass(frozen=True)
class Choices:
    """What the command was asked for.

    Attributes:
        cases: The forms of a file to measure.
        pairs: How often each tool runs.
        workers: Workers of our exports; ``None`` leaves the number to them.
        check: Whether a file is written and read back.
        timeout: Seconds after which a single run is ended.
        rows: Rows of the sample table.
        table: A table of the user's. ``None`` starts a server and fills the sample table there.
        dsn: The database that ``table`` is in.
        json: A file that the figures are written to, or ``None``.
        disk: The folder that the measured runs write into, waiting for the disk; ``None`` for /dev/null.
    """

    cases: tuple[Case, ...] = tuple(CASES.values())
    pairs: int = 3
    workers: int | None = None
    check: bool = True
    timeout: float = 900
    rows: int = 2_000_000
    table: str | None = None
    dsn: str | None = None
    json: Path | None = None
    disk: Path | None = None


@dataclass(frozen=True)
class _Others:
    """The tools that run beside ours, and the reasons why others that were wanted cannot."""

    tools: tuple[Tool, ...]
    unavailable: dict[str, str]


def run(
    choices: Choices,
    *,
    others: Sequence[Tool] = (),
    unavailable: Mapping[str, str] | None = None,
    sample: Sample = RECORDS,
) -> Report:
    """Measure and print.

    Args:
        choices: What to measure, and how.
        others: Tools to measure beside ``polyglot export``.
        unavailable: Tools that cannot run here, and why, for the report.
        sample: The table that is filled where the user names none.

    Raises:
        Interrupted: A signal asked for the end; everything has been stopped and removed.
        PolyglotError: The core is a debug build, whose figures mean nothing; or there is no server or no such table.
    """
    if _core.build_profile != "release":
        raise PolyglotError(f"the core is a {_core.build_profile} build; make install makes a release build")
    screen = Screen()
    with raising_interrupted():
        report = _report(choices, _Others(tuple(others), dict(unavailable or {})), sample, screen)
    screen.say()
    screen.say(report_text(report))
    if choices.json is not None:
        members = report.members(name for name, case in CASES.items() if case.compressed)
        choices.json.write_text(json.dumps(members, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return report


def exit_code(report: Report) -> int:
    """0 when all our files were right, else 1."""
    return 1 if any(result.problem for result in report.results if result.name == Polyglot.name) else 0


def _report(choices: Choices, others: _Others, sample: Sample, screen: Screen) -> Report:
    if choices.table is not None:
        return _measured(choices, others, found(choices.dsn, choices.table), screen)
    with EmbeddedServer() as server:
        with screen.bar(f"filling {sample.name}", choices.rows) as progress:
            source = filled(server, sample, choices.rows, progress)
        return _measured(choices, others, source, screen)


def _measured(choices: Choices, others: _Others, source: Source, screen: Screen) -> Report:
    workers = choices.workers if choices.workers is not None else default_workers()
    tools = [Polyglot(workers), *others.tools]
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="polyglot-bench-") as folder:
        manner = Manner(choices.pairs, choices.check, choices.timeout, choices.disk, workers)
        bench = Bench(source, Path(folder), manner)
        bench.warm_up()
        quiet = bench.quiet() if choices.check else None
        for case in choices.cases:
            results += bench.compare(case, [tool for tool in tools if case.name in tool.cases], screen.say)
    names = {case.name for case in choices.cases}
    used = [tool for tool in tools if names.intersection(tool.cases)]
    plain = next((result.size for result in results if (result.case, result.name) == ("csv", Polyglot.name)), 0)
    facts: dict[str, object] = {
        "table": source.table,
        "rows": source.rows,
        "target": "/dev/null" if choices.disk is None else "disk",
        "pairs": choices.pairs,
        "workers": workers,
        "CPUs": os.cpu_count(),
        "machine": platform.machine(),
        "Python": platform.python_version(),
        "polyglot": _core.version,
        "commit": _commit(),
        "date": datetime.now(UTC).date().isoformat(),
        "load": round(os.getloadavg()[0], 1),
    }
    return Report(facts, tuple(results), others.unavailable, _versions(source, used), plain or None, quiet)


def _versions(source: Source, tools: list[Tool]) -> dict[str, str]:
    with connect(source.server.uri, application_name="polyglot bench") as connection:
        versions = {"PostgreSQL": connection.info.parameter_status("server_version") or ""}
    for tool in tools:
        version = tool.version()
        if tool.package is not None and version is not None:
            # Two tools may be two versions of one package.
            known = versions.get(tool.package, version)
            versions[tool.package if known == version else tool.name] = version
    return versions


def _commit() -> str | None:
    """What is checked out where the package lies, in a clone of the repository."""
    folder = Path(_core.__file__).parent
    if not (folder.parents[1] / "Cargo.toml").exists():
        return None
    try:
        command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--exclude", "*"]
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
