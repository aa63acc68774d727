r"""The proof that nobody breaks the promises: attacks on the real service in a memory cgroup of 256 MB.

    python -m benchmarks.hostile --only pipelines,idle

Each attack goes to 127.0.0.1 alone, is bounded in count and time, and has two honest clients and a probe beside it.
Prints a Markdown table, and writes it into a page with ``--page``. Exit code 0 when all is right, 1 when something is
not, 3 where no group can be made or Redis is missing.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.hostile.redis import NoRedis
from benchmarks.hostile.registry import ATTACKS
from benchmarks.hostile.report import report
from benchmarks.hostile.run import prove
from benchmarks.memory_group import NoGroup
from benchmarks.pages import write_into
from polyglot_export import _core
from polyglot_export.testing.postgres import EmbeddedServer

__all__ = ["main"]

EXIT_WRONG, EXIT_NOT_HERE = 1, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove and print."""
    options = _options(arguments)
    if _core.build_profile != "release":
        print(f"the core is a {_core.build_profile} build; make install makes a release build", file=sys.stderr)
        return 2
    if options.only and options.page is not None:
        print("--page shows every attack: it cannot be combined with --only", file=sys.stderr)
        return 2
    names = options.only.split(",") if options.only else [attack.name for attack in ATTACKS]
    unknown = sorted(set(names) - {attack.name for attack in ATTACKS})
    if unknown:
        print(f"no attack has the name {unknown[0]}; {', '.join(a.name for a in ATTACKS)}", file=sys.stderr)
        return 2
    chosen = [attack for attack in ATTACKS if attack.name in names]
    try:
        with EmbeddedServer() as server:
            results = prove(server.dsn(), chosen, lambda text: print(text, file=sys.stderr, flush=True))
    except (NoGroup, NoRedis) as error:
        print(error, file=sys.stderr)
        return EXIT_NOT_HERE
    text = report(results)
    print(text)
    if options.page is not None:
        write_into(options.page, "hostile", text)
    return EXIT_WRONG if any(result.problems for result in results) else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAMES", help="these attacks, by their names with commas between")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the table between the marks of this page")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    # Who ends the command by a signal must not leave the service and its group behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    raise SystemExit(main())
