r"""Load: the real service in a memory cgroup of 256 MB, and up to 200 clients that arrive at random for ten minutes.

    python -m benchmarks.load --minutes 10 --json load.json

All formats and compressions, from 1 row to all of ``records``; a third of the clients reads slowly, a tenth vanishes in
the middle (half of them close their connection, half read nothing any more), and now and then a backend of the database
is killed. Beside them one attack after another is made, of those in ``benchmarks/hostile``. Every file that ended well
is compared with the server; every other one must have ended visibly. At the end nothing may be left: no connection, no
thread, no descriptor, no temporary file, no running job. Exit code 0 when all is right, 1 when not, 3 where no group
can be made.
"""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.confined import confined_service
from benchmarks.hostile.stage import add_tables, configuration
from benchmarks.load_figures import Figures, Load
from benchmarks.load_report import document, report
from benchmarks.load_run import drive
from benchmarks.memory_group import NoGroup
from polyglot_export import _core
from polyglot_export.testing.postgres import EmbeddedServer
from polyglot_export.testing.records import fill_records

__all__ = ["main", "run"]

GROUP_BYTES = 256 << 20
SLOW_CLIENT_SECONDS = 10.0
"""The service's limit for clients that stall; shorter than its default, so that the run sees many of them."""
WORKERS = 100
"""Connections of workers. The database has room for four times as many."""
KEYS = 8
"""Of the clients, who share them: what one caller may have is less than all."""
EXIT_WRONG, EXIT_NO_GROUP = 1, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Load and print."""
    options = _options(arguments)
    if _core.build_profile != "release":
        print(f"the core is a {_core.build_profile} build; make install makes a release build", file=sys.stderr)
        return 2
    load = Load(
        seconds=options.minutes * 60,
        rows=options.rows,
        clients=options.clients,
        arrivals=options.arrivals,
        seed=options.seed,
        hostile=not options.honest,
    )
    try:
        figures = run(load)
    except NoGroup as error:
        print(error, file=sys.stderr)
        return EXIT_NO_GROUP
    print(report(load, figures))
    if figures.log:
        print(figures.log, file=sys.stderr)
    if options.json is not None:
        options.json.write_text(document(load, figures))
    return EXIT_WRONG if figures.problems else 0


def run(load: Load) -> Figures:
    """Start database and service, and drive the load.

    Raises:
        NoGroup: No group can be made.
    """
    names = [f"client{number}" for number in range(KEYS)]
    keys = {name: secrets.token_urlsafe(16) for name in (*names, "attacker")}
    with (
        EmbeddedServer(settings={"max_connections": str(4 * WORKERS + 20)}) as server,
        tempfile.TemporaryDirectory(prefix="polyglot-load-") as folder,
    ):
        config = Path(folder) / "polyglot.toml"
        config.write_text(configuration(keys))
        settings = {
            "config": config,
            "max_connections": WORKERS,
            "slow_client_timeout": SLOW_CLIENT_SECONDS,
            "max_jobs": 100_000,
            "log_level": "error",
        }
        print(f"filling {load.rows:,} records", file=sys.stderr, flush=True)
        # Before the service: one that finds none of its data sets says that it is not ready.
        fill_records(server.dsn(), load.rows, lambda _: None)
        add_tables(server.dsn())
        with confined_service(server.dsn(), GROUP_BYTES, settings) as service:
            return drive(
                service,
                server.dsn(),
                load,
                tuple(keys[name] for name in names),
                keys["attacker"],
                stall_seconds=2 * SLOW_CLIENT_SECONDS + 5,
            )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long clients arrive (default 10)")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the table (default 1000000)")
    parser.add_argument("--clients", type=int, default=200, help="clients at one time, at most (default 200)")
    parser.add_argument(
        "--arrivals", type=float, default=12.0, help="clients that arrive in a second, on average (default 12)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the random choices (default 1)")
    parser.add_argument("--honest", action="store_true", help="no attacks beside the clients")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file as well")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    # Who ends the command by a signal must not leave the service and its group behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    raise SystemExit(main())
