r"""The proof of the memory promise: the real service in a memory cgroup of 256 MB, with the database outside of it.

    python -m benchmarks.cgroup --rows 10000000 --json proof.json

Inside, one after another in the same process: each format with all rows; eight fast clients at once; 64 clients of
which half read 100 KB/s; rows of 1 MB; a table of 1,600 columns to Parquet; then the first two again, to see that
nothing grows. Every file is compared with the server. Prints a Markdown table. Ten million rows need 12 GB for
temporary files. Exit code 0 when all is right, 1 when something is not, 3 where no group can be made.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

from benchmarks.clients import Ending, Manner, Outcome, create, download
from benchmarks.confined import ConfinedService, confined_service
from benchmarks.memory_group import NoGroup
from benchmarks.oracle import Digest, Oracle, Spec, WrongFile
from polyglot_export import _core
from polyglot_export.testing.postgres import EmbeddedServer
from polyglot_export.testing.records import fill_records
from polyglot_export.text.tables import markdown

__all__ = ["Row", "Sizes", "fill_odd_tables", "main", "prove"]

MB = 1 << 20
GROUP_BYTES = 256 * MB
CASES = (
    ("csv", None), ("csv", "gzip"), ("csv", "zstd"), ("json", None), ("ndjson", None), ("ndjson", "gzip"),
    ("xml", None), ("parquet", None), ("xlsx", None),
)  # fmt: skip
SLOW_RATE = 100_000.0
"""Bytes a second of a slow client."""
REFUSED_AGAIN = 200
"""How often a client comes back after 503, each time after the seconds that ``Retry-After`` says."""
GROWTH_BYTES = 16 * MB
"""What the second time may hold more at rest than the first: pieces of heap that are in use between free ones."""
EXIT_WRONG, EXIT_NO_GROUP = 1, 3


@dataclass(frozen=True)
class Sizes:
    """How large the scenarios are.

    Attributes:
        rows: Of ``records``.
        clients: In the scenario with slow ones.
        slow_rows: Rows that a slow client reads.
        large_rows: Rows of 1 MB.
        wide_rows: Rows of the table with 1,600 columns.
        settle: Seconds after which freed memory has gone back.
        cases: Format and compression of those that are exported one by one.
    """

    rows: int
    clients: int = 64
    slow_rows: int = 20_000
    large_rows: int = 300
    wide_rows: int = 20_000
    settle: float = 2.5
    cases: tuple[tuple[str, str | None], ...] = CASES


@dataclass(frozen=True)
class Row:
    """One line of the report; sizes in bytes."""

    scenario: str
    exports: int
    rows: int
    seconds: float
    size: int
    group_peak: int
    resident_peak: int
    resident_after: int
    refused: int
    killed: int
    wrong: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove and print."""
    options = _options(arguments)
    if _core.build_profile != "release":
        print(f"the core is a {_core.build_profile} build; make install makes a release build", file=sys.stderr)
        return 2
    sizes = Sizes(options.rows, cases=options.formats)
    try:
        with EmbeddedServer(settings={"max_connections": "300"}) as server:
            rows, facts = prove(server.dsn(), sizes, lambda text: print(text, file=sys.stderr, flush=True))
    except NoGroup as error:
        print(error, file=sys.stderr)
        return EXIT_NO_GROUP
    print(report(rows, facts))
    if options.json is not None:
        options.json.write_text(json.dumps({"facts": facts, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")
    return EXIT_WRONG if any(row.wrong or row.killed for row in rows) or facts["grown"] else 0


def prove(dsn: str, sizes: Sizes, say: Callable[[str], None]) -> tuple[list[Row], dict[str, object]]:
    """Run all scenarios.

    Args:
        dsn: An empty database.
        sizes: Of tables and scenarios.
        say: Told what is going on.

    Raises:
        NoGroup: No group can be made; nothing was filled then.
    """
    settings = {"max_connections": sizes.clients, "log_level": "warning"}
    with confined_service(dsn, GROUP_BYTES, settings) as service:
        say(f"filling {sizes.rows:,} records")
        _fill(dsn, sizes)
        proof = _Proof(service, Oracle(dsn), sizes, say)
        rest = service.resident()
        whole = sizes.cases == CASES
        rows = proof.formats("") + (proof.fast("") if whole else [])
        between = _resident_at_rest(service, sizes.settle)
        rows += proof.slow() + proof.large_rows() + proof.wide() if whole else []
        rows += proof.formats(", again") + (proof.fast(", again") if whole else [])
        after = _resident_at_rest(service, sizes.settle)
        usage = service.group.usage()
        facts: dict[str, object] = {
            "cgroup": f"version {service.group.version}",
            "limit": GROUP_BYTES,
            "peak": max(row.group_peak for row in rows),
            "resident_at_start": rest,
            "resident_after_first_round": between,
            "resident_after_second_round": after,
            "grown": after - between > GROWTH_BYTES,
            "met_limit": usage.at_limit,
            "killed": usage.killed,
            "cache_at_end": usage.cache,
            "threads_at_end": service.threads(),
            "descriptors_at_end": service.descriptors(),
        }
    return rows, facts


def report(rows: Sequence[Row], facts: dict[str, object]) -> str:
    """The report in Markdown."""
    heads = (
        "scenario",
        "exports",
        "rows",
        "s",
        "MB/s",
        "rows/s",
        "peak of the group MB",
        "peak RSS MB",
        "RSS after MB",
        "503",
        "right",
    )
    lines = [
        (
            row.scenario,
            str(row.exports),
            f"{row.rows:,}",
            f"{row.seconds:.1f}",
            f"{row.size / row.seconds / 1e6:.0f}",
            f"{row.rows / row.seconds:,.0f}",
            f"{row.group_peak / MB:.0f}",
            f"{row.resident_peak / MB:.0f}",
            f"{row.resident_after / MB:.0f}",
            str(row.refused),
            "yes" if not row.wrong else f"NO: {row.wrong}",
        )
        for row in rows
    ]
    counted = "resident memory, page cache, kernel memory" + (
        "" if facts["cgroup"] == "version 1" else " and socket buffers"
    )
    resident = [
        int(str(facts[f"resident_{when}"])) // MB for when in ("at_start", "after_first_round", "after_second_round")
    ]
    notes = (
        (
            f"The group has a limit of {GROUP_BYTES // MB} MB ({facts['cgroup']}), which counts {counted}; MB are 2^20 "
            "bytes, MB/s 10^6."
        ),
        (
            f"Processes killed: {facts['killed']}. Times the limit was met and page cache was given up for it: "
            f"{facts['met_limit']}."
        ),
        "RSS at the start {} MB, at rest after the first round {} MB, after the last one {} MB.".format(*resident),
    )
    return markdown(heads, lines) + "\n\n" + "\n".join(notes)


class _Proof:
    """The scenarios, run against one process."""

    def __init__(self, service: ConfinedService, oracle: Oracle, sizes: Sizes, say: Callable[[str], None]) -> None:
        self._service = service
        self._oracle = oracle
        self._sizes = sizes
        self._say = say

    def formats(self, again: str) -> list[Row]:
        """Each format alone, all rows."""
        return [
            self._run(
                f"{name}{f'.{compression}' if compression else ''}{again}",
                [(Spec(name, compression), None)],
                self._sizes.rows,
            )
            for name, compression in self._sizes.cases
        ]

    def fast(self, again: str) -> list[Row]:
        """Eight at once, in mixed formats."""
        part = max(1, self._sizes.rows // 8)
        return [self._run(f"8 fast clients{again}", [_client(number, part) for number in range(8)], part * 8)]

    def slow(self) -> list[Row]:
        """Half of many clients read slowly."""
        half = self._sizes.clients // 2
        part = max(1, self._sizes.rows // 20)
        fast = [_client(number, part) for number in range(half)]
        slow = [_client(number, self._sizes.slow_rows, SLOW_RATE) for number in range(half)]
        title = f"{2 * half} clients, {half} at {SLOW_RATE // 1000:.0f} kB/s"
        return [self._run(title, fast + slow, half * (part + min(self._sizes.slow_rows, self._sizes.rows)))]

    def large_rows(self) -> list[Row]:
        """Rows of 1 MB, in several formats at once."""
        cases = (("csv", None), ("json", None), ("csv", "gzip"), ("parquet", None))
        specs = [Spec(name, compression, "large_rows") for name, compression in cases]
        return [
            self._run("rows of 1 MB, 4 formats at once", [(spec, None) for spec in specs], 4 * self._sizes.large_rows)
        ]

    def wide(self) -> list[Row]:
        """1,600 columns."""
        return [self._run("1,600 columns, parquet", [(Spec("parquet", None, "wide"), None)], self._sizes.wide_rows)]

    def _run(self, title: str, exports: Sequence[tuple[Spec, float | None]], rows: int) -> Row:
        expected = {spec: self._oracle.digest(spec) for spec, _ in exports}
        self._say(title)
        service = self._service
        service.reset_peaks()
        killed = service.group.usage().killed
        started = time.perf_counter()
        results = asyncio.run(_all(service.port, exports))
        seconds = time.perf_counter() - started
        found = [
            _problem(spec, outcome, digest, expected[spec])
            for (spec, _), (outcome, digest, _) in zip(exports, results, strict=True)
        ]
        problems = Counter(text for text in found if text)
        resident_peak, usage = service.resident_peak(), service.group.usage()
        return Row(
            scenario=title,
            exports=len(exports),
            rows=rows,
            seconds=seconds,
            size=sum(outcome.size for outcome, _, _ in results),
            group_peak=usage.peak,
            resident_peak=resident_peak,
            resident_after=_resident_at_rest(service, self._sizes.settle),
            refused=sum(refused for _, _, refused in results),
            killed=usage.killed - killed,
            wrong="; ".join(f"{text} ({count})" for text, count in problems.items()),
        )


def _client(number: int, rows: int, rate: float | None = None) -> tuple[Spec, float | None]:
    """The client of that number, with the format that is its turn."""
    name, compression = CASES[number % len(CASES)]
    return Spec(name, compression, below=rows), rate


async def _all(port: int, exports: Sequence[tuple[Spec, float | None]]) -> list[tuple[Outcome, Digest, int]]:
    return list(await asyncio.gather(*(_served(port, spec, rate) for spec, rate in exports)))


async def _served(port: int, spec: Spec, rate: float | None) -> tuple[Outcome, Digest, int]:
    """One client, which comes back when it is told to; gives how often it was."""
    export_id = await create(port, spec.body())
    refused = 0
    while True:
        digest = Digest(spec)
        outcome = await download(port, export_id, digest.take, Manner(rate=rate))
        if outcome.status != 503 or outcome.retry_after is None or refused == REFUSED_AGAIN:
            return outcome, digest, refused
        refused += 1
        await asyncio.sleep(float(outcome.retry_after))


def _problem(spec: Spec, outcome: Outcome, digest: Digest, expected: str) -> str:
    if outcome.ending is not Ending.COMPLETE:
        return f"{spec}: {outcome.ending.value} {outcome.status} {outcome.detail[:200]}".strip()
    try:
        found = digest.finish()
    except WrongFile as error:
        return f"{spec}: {error}"
    return "" if found == expected else f"{spec}: differs from the server"


def _resident_at_rest(service: ConfinedService, settle: float) -> int:
    time.sleep(settle)
    return service.resident()


def _fill(dsn: str, sizes: Sizes) -> None:
    fill_records(dsn, sizes.rows, lambda _: None)
    with psycopg.connect(dsn, autocommit=True) as connection:
        fill_odd_tables(connection, sizes.wide_rows, sizes.large_rows)
        connection.execute("VACUUM (ANALYZE)")


def fill_odd_tables(connection: psycopg.Connection, wide_rows: int, large_rows: int) -> None:
    """Make ``wide``, which has 1,600 columns, and ``large_rows``, whose rows have 1 MB each."""
    columns = [f"c{number}" for number in range(1_600)]
    connection.execute(f"CREATE TABLE wide ({', '.join(f'{name} int' for name in columns)})")
    values = ", ".join(f"(n * {number + 7} %% {1_000 + number})::int" for number in range(len(columns)))
    connection.execute(f"INSERT INTO wide SELECT {values} FROM generate_series(1, %s) AS n", [wide_rows])
    # Out of line and not compressed, so that each row is made of its bytes on the wire.
    connection.execute("CREATE TABLE large_rows (id int, payload text STORAGE EXTERNAL)")
    connection.execute(
        "INSERT INTO large_rows SELECT n, repeat(md5(n::text), 32768) FROM generate_series(1, %s) AS n",
        [large_rows],
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="rows of the table (default 1000000; the promise is about 10000000)"
    )
    parser.add_argument(
        "--formats",
        type=_cases,
        default=CASES,
        help="only these, such as xlsx,csv.gzip, each alone and twice; no crowds and no odd tables",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file as well")
    return parser.parse_args(arguments)


def _cases(given: str) -> tuple[tuple[str, str | None], ...]:
    named = {f"{name}{f'.{compression}' if compression else ''}": (name, compression) for name, compression in CASES}
    unknown = next((name for name in given.split(",") if name not in named), None)
    if unknown is not None:
        raise argparse.ArgumentTypeError(f"{unknown!r} is none of {', '.join(named)}")
    return tuple(named[name] for name in given.split(","))


if __name__ == "__main__":
    # Who ends the command by a signal must not leave the service and its group behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    raise SystemExit(main())
