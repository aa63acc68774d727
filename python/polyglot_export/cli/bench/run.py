"""``polyglot bench``: a server or somebody's table, all cases, and the report in its forms."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from benchmarks.peers.registry import all_peers
from polyglot_export import _core
from polyglot_export.cli.bench.cases import CASES, Case
from polyglot_export.cli.bench.chart import chart_svg
from polyglot_export.cli.bench.measuring import Bench
from polyglot_export.cli.bench.ours import Polyglot
from polyglot_export.cli.bench.peer import Peer
from polyglot_export.cli.bench.results import Report, Result
from polyglot_export.cli.bench.source import Source, filled, found
from polyglot_export.cli.bench.text import report_text
from polyglot_export.cli.demo.show import Screen
from polyglot_export.cli.signals import raising_interrupted
from polyglot_export.errors import PolyglotError
from polyglot_export.limits import default_workers
from polyglot_export.postgres.connect import connect
from polyglot_export.testing.postgres import EmbeddedServer

__all__ = ["Choices", "run"]


@dataclass(frozen=True)
class Choices:
    """What the command was asked for.

    Attributes:
        cases: The forms.
        pairs: Runs of each tool.
        workers: Of our exports.
        peers: Whether the other tools run too.
        check: Whether the files are read back.
        timeout: Seconds of the longest run.
        sample: The table that is filled on a server of our own, with ``rows`` rows.
        rows: See ``sample``.
        table: A table of the user's, at ``dsn``; then nothing is filled.
        dsn: See ``table``.
        json: A file for the figures.
        chart: A file for the picture.
    """

    cases: tuple[Case, ...] = tuple(CASES.values())
    pairs: int = 3
    workers: int | None = None
    peers: bool = False
    check: bool = True
    timeout: float = 900
    sample: str = "records"
    rows: int = 2_000_000
    table: str | None = None
    dsn: str | None = None
    json: Path | None = None
    chart: Path | None = None


def run(choices: Choices) -> int:
    """Measure and print.

    Returns:
        0 when all our files were right, else 1.

    Raises:
        Interrupted: A signal asked for the end; everything has been stopped and removed.
        PolyglotError: A debug build, whose numbers mean nothing; no server; no table; a file that cannot be written.
    """
    if _core.build_profile != "release":
        raise PolyglotError(f"the core is a {_core.build_profile} build; make install makes a release build")
    screen = Screen()
    with raising_interrupted():
        report = _report(choices, screen)
    screen.say()
    screen.say(report_text(report))
    _write(choices, report)
    return 1 if any(result.problem for result in report.results if result.name == Polyglot.name) else 0


def _report(choices: Choices, screen: Screen) -> Report:
    if choices.table is not None:
        return _measured(choices, found(choices.dsn, choices.table), screen)
    with EmbeddedServer() as server:
        with screen.bar(f"filling {choices.sample}", choices.rows) as progress:
            source = filled(server, choices.sample, choices.rows, progress)
        return _measured(choices, source, screen)


def _measured(choices: Choices, source: Source, screen: Screen) -> Report:
    workers = choices.workers if choices.workers is not None else default_workers()
    tools, unavailable = _tools(choices, workers)
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="polyglot-bench-") as folder:
        bench = Bench(source, Path(folder), pairs=choices.pairs, check=choices.check, timeout=choices.timeout)
        bench.warm_up()
        for case in choices.cases:
            results += bench.compare(case, [tool for tool in tools if case.name in tool.cases], screen.say)
    plain = next((result.size for result in results if (result.case, result.name) == ("csv", Polyglot.name)), 0)
    facts: dict[str, object] = {
        "table": source.table,
        "rows": source.rows,
        "pairs": choices.pairs,
        "workers": workers,
        "CPUs": os.cpu_count(),
        "machine": platform.machine(),
        "Python": platform.python_version(),
        "polyglot": _core.version,
        "load": round(os.getloadavg()[0], 1),
    }
    return Report(facts, tuple(results), unavailable, _versions(source, tools), plain or None)


def _versions(source: Source, tools: list[Peer]) -> dict[str, str]:
    with connect(source.server.uri, application_name="polyglot bench") as connection:
        versions = {"PostgreSQL": connection.info.parameter_status("server_version") or ""}
    return versions | {tool.package: metadata.version(tool.package) for tool in tools if tool.package is not None}


def _tools(choices: Choices, workers: int) -> tuple[list[Peer], dict[str, str]]:
    tools: list[Peer] = [Polyglot(workers)]
    unavailable: dict[str, str] = {}
    for peer in all_peers() if choices.peers else ():
        reason = peer.missing()
        if reason is None:
            tools.append(peer)
        else:
            unavailable[peer.name] = reason
    return tools, unavailable


def _write(choices: Choices, report: Report) -> None:
    if choices.json is not None:
        members = report.members(name for name, case in CASES.items() if case.compressed)
        choices.json.write_text(json.dumps(members, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if choices.chart is not None:
        choices.chart.write_text(chart_svg(report), encoding="utf-8")
