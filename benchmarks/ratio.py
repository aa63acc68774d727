r"""Export against psql's ``\copy … csv``, in pairs that follow each other, so that both see the same machine.

    python -m benchmarks.ratio --rows 2000000 --pairs 3 --workers 2

Prints a Markdown table. Both write to /dev/null; the output of each format is also read back once and compared with the
server. A debug build of the core is refused: its numbers mean nothing.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.child import Usage, measure
from polyglot_export import _core
from polyglot_export.demo.readers import check
from polyglot_export.demo.records import Sums, fill_records, sums_of_server
from polyglot_export.demo.server import EmbeddedServer
from polyglot_export.demo.show import Screen

CASES = ("csv", "json", "ndjson", "xml", "parquet", "csv.gz", "csv.zst")
COMPRESSIONS = {"gz": "gzip", "zst": "zstd"}
HEADS = ("format", "seconds", "psql", "ratio", "rows/s", "client CPU s", "server CPU s", "peak RSS MB", "size MB", "correct")


def main() -> int:
    """Measure and print; gives 0 when everything was correct."""
    options = _options()
    if _core.build_profile != "release":
        print(f"the core is a {_core.build_profile} build; make install makes a release build", file=sys.stderr)
        return 2
    screen = Screen()
    with tempfile.TemporaryDirectory(prefix="polyglot-bench-") as folder, EmbeddedServer() as server:
        with screen.bar("filling records", options.rows) as progress:
            fill_records(server.dsn(), options.rows, progress)
        expected = sums_of_server(server.dsn())
        bench = Bench(server, Path(folder), options.workers)
        bench.psql()  # the first reader of the table pays for its pages
        lines = []
        for case in options.cases:
            pairs = [(bench.psql(), bench.export(case)) for _ in range(options.pairs)]
            correct, size = bench.check(case, expected) if options.check else ("not checked", 0)
            lines.append(_line(case, options.rows, pairs, size, correct))
            screen.say(f"{case}: " + ", ".join(f"{ours[0].seconds / psql[0].seconds:.2f}" for psql, ours in pairs))
    screen.say()
    screen.say(
        f"{options.rows:,} rows, {options.workers} workers, medians of {options.pairs} pairs, {os.cpu_count()} CPUs,"
        f" {platform.machine()}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    )
    screen.say()
    for number, line in enumerate([HEADS, *lines]):
        screen.say("| " + " | ".join(line) + " |")
        if number == 0:
            screen.say("|" + " --- |" * len(HEADS))
    return 1 if any(line[-1].startswith("NO") for line in lines) else 0


Run = tuple[Usage, float]
"""What the client cost, and the CPU seconds of the server."""


class Bench:
    """The runs; each gives the client's cost and the server's CPU seconds."""

    def __init__(self, server: EmbeddedServer, folder: Path, workers: int) -> None:
        self._server = server
        self._folder = folder
        self._workers = workers
        self._environment = {**server.environment(), "DATABASE_URL": server.dsn()}

    def psql(self) -> Run:
        """The reference."""
        return self._run(
            [str(self._server.bin_dir / "psql"), "-X", "-q", "-c", "\\copy records to '/dev/null' with (format csv, header)"],
        )

    def export(self, case: str, target: str = "-") -> Run:
        """``polyglot export`` of the same table."""
        format_name, _, compression = case.partition(".")
        program = Path(sys.executable).with_name("polyglot")
        command = [str(program), "export", "records", "-f", format_name, "-o", target, "--workers", str(self._workers)]
        if compression:
            command += ["--compression", COMPRESSIONS[compression]]
        return self._run(command)

    def check(self, case: str, expected: Sums) -> tuple[str, int]:
        """Whether a file of this case is what the server says, and its size in bytes."""
        target = self._folder / f"records.{case}"
        self.export(case, str(target))
        format_name, _, compression = case.partition(".")
        _, problem = check(target, format_name, COMPRESSIONS.get(compression), expected)
        size = target.stat().st_size
        target.unlink()
        return "yes" if problem is None else f"NO: {problem}", size

    def _run(self, command: list[str]) -> Run:
        before = self._server_cpu()
        usage = measure(command, env=self._environment)
        if usage.exit_code != 0:
            raise SystemExit(f"{' '.join(command)} ended with {usage.exit_code}: {usage.errors}")
        # A backend ends a moment after its client, and only then its CPU time counts as the postmaster's.
        time.sleep(0.2)
        return usage, self._server_cpu() - before

    def _server_cpu(self) -> float:
        """CPU seconds of all backends that have ended: ``cutime`` and ``cstime`` of the postmaster (proc(5))."""
        fields = Path(f"/proc/{self._server.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _line(case: str, rows: int, pairs: list[tuple[Run, Run]], size: int, correct: str) -> tuple[str, ...]:
    seconds = statistics.median(ours[0].seconds for _, ours in pairs)
    return (
        case,
        f"{seconds:.2f}",
        f"{statistics.median(psql[0].seconds for psql, _ in pairs):.2f}",
        f"{statistics.median(ours[0].seconds / psql[0].seconds for psql, ours in pairs):.2f}",
        f"{rows / seconds:,.0f}",
        f"{statistics.median(ours[0].cpu for _, ours in pairs):.2f}",
        f"{statistics.median(ours[1] for _, ours in pairs):.2f}",
        f"{max(ours[0].peak for _, ours in pairs) / 1e6:.0f}",
        f"{size / 1e6:,.1f}",
        correct,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the table (default 1000000)")
    parser.add_argument("--pairs", type=int, default=3, help="pairs a format (default 3)")
    parser.add_argument("--workers", type=int, default=min(os.cpu_count() or 1, 4), help="workers of an export (default: CPUs, at most 4)")
    parser.add_argument("--no-check", dest="check", action="store_false", help="do not read the output back")
    parser.add_argument("cases", nargs="*", default=CASES, choices=[*CASES, CASES], metavar="FORMAT", help=f"of {', '.join(CASES)}")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
