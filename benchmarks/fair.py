r"""The proof that nobody starves beside greedy callers: two that want everything at once, and one that wants little.

    python -m benchmarks.fair --seconds 60

The service has a memory cgroup of 256 MB and no limits but the fair shares. Each greedy caller has a dozen clients that
download whole tables again and again, half of them slowly, and as many prepared files as are taken. The modest one
makes one small export after the other. Prints a Markdown table, and writes it into a page with ``--page``. Exit code 0
when all is right, 1 when something is not, 3 where no group can be made.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.clients import Ending, Manner, Refused, create, download
from benchmarks.confined import confined_service
from benchmarks.hostile.honest import percentile
from benchmarks.hostile.stage import GROUP_BYTES, ROWS, configuration, fill
from benchmarks.memory_group import NoGroup
from benchmarks.oracle import Digest, Oracle, Spec, WrongFile
from benchmarks.pages import write_into
from polyglot_export import _core
from polyglot_export.testing.postgres import EmbeddedServer

__all__ = ["MODEST", "Seen", "beside_greedy_ones", "main", "problems_of"]

EXIT_WRONG, EXIT_NOT_HERE = 1, 3
START_LIMIT = 2.0
"""Seconds within which 95 of 100 exports of the modest caller have begun."""
CLIENTS = 12
"""Of each greedy caller."""
SLOW_RATE = 500_000.0
"""Bytes a second of every second one of them: it holds what it has got for a long time."""
PAUSE_SECONDS = 0.1
MODEST = (Spec("csv", None, below=2_000), Spec("json", None, below=5_000), Spec("ndjson", "gzip", below=10_000))
GREEDY = (Spec("parquet"), Spec("csv"), Spec("json", "gzip"), Spec("ndjson"))


@dataclass
class Seen:
    """What all callers saw.

    Attributes:
        starts: Seconds from the request for each export of the modest caller to the first byte of its file.
        problems: What was wrong with its exports, and how often.
        greedy: Downloads of the greedy ones by how they ended.
        files: Prepared files of theirs that were taken, and that were not.
    """

    starts: list[float] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)
    greedy: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)


async def beside_greedy_ones(
    port: int, keys: tuple[str, str, str], expected: Mapping[Spec, str], seconds: float, clients: int = CLIENTS
) -> Seen:
    """Let all three export at the same time.

    Args:
        port: Of the service, on 127.0.0.1.
        keys: Of the two greedy callers and the modest one.
        expected: The right digests of :data:`MODEST`.
        seconds: How long.
        clients: Of each greedy caller.
    """
    seen = Seen()
    *greedy, modest = keys
    crowd = [
        asyncio.create_task(_greedy(port, key, seen, number, Manner(rate=SLOW_RATE if number % 2 else None)))
        for key, number in itertools.product(greedy, range(clients))
    ]
    crowd += [asyncio.create_task(_hoard(port, key, seen)) for key in greedy]
    try:
        until = time.monotonic() + seconds
        for spec in itertools.cycle(MODEST):
            if time.monotonic() >= until:
                break
            await _modest(port, modest, spec, expected[spec], seen)
            await asyncio.sleep(PAUSE_SECONDS)
    finally:
        for task in crowd:
            task.cancel()
        ends = await asyncio.gather(*crowd, return_exceptions=True)
    failed = [end for end in ends if isinstance(end, Exception)]
    if failed:
        raise failed[0]
    return seen


async def _modest(port: int, key: str, spec: Spec, expected: str, seen: Seen) -> None:
    """One export of the modest caller, compared with what the server says."""
    began = time.perf_counter()
    digest = Digest(spec)
    try:
        export_id = await create(port, spec.body(), key)
        asked = time.perf_counter() - began
        outcome = await download(port, export_id, digest.take, key=key)
        if outcome.ending is not Ending.COMPLETE:
            seen.problems[f"a download was {outcome.ending.value} {outcome.detail}".strip()] += 1
            return
        seen.starts.append(asked + outcome.first)
        if digest.finish() != expected:
            seen.problems[f"{spec}: differs from the server"] += 1
    except Refused as refused:
        seen.problems[f"refused with {refused}"] += 1
    except WrongFile as error:
        seen.problems[f"{spec}: {error}"] += 1


async def _greedy(port: int, key: str, seen: Seen, number: int, manner: Manner) -> None:
    """One client that downloads a whole table, and then another one."""
    for spec in itertools.islice(itertools.cycle(GREEDY), number, None):
        try:
            export_id = await create(port, spec.body(), key)
            outcome = await download(port, export_id, lambda *_: None, manner, key)
            seen.greedy[outcome.ending.value] += 1
        except Refused:
            seen.greedy[Ending.REFUSED.value] += 1
        await asyncio.sleep(PAUSE_SECONDS)


async def _hoard(port: int, key: str, seen: Seen) -> None:
    """Have files prepared that nobody fetches."""
    for spec in itertools.cycle(GREEDY):
        try:
            await create(port, {**spec.body(), "delivery": "file"}, key)
            seen.files["taken"] += 1
        except Refused:
            seen.files["refused"] += 1
        await asyncio.sleep(PAUSE_SECONDS)


def problems_of(seen: Seen, *, ended: bool = False) -> list[str]:
    """What is wrong; nothing where all is right. A machine that is busy with other things says nothing about the last.

    Args:
        seen: By the callers.
        ended: Whether the service is gone.
    """
    problems = ["the process ended"] if ended else []
    problems += [f"modest exports: {text} ({count})" for text, count in seen.problems.items()]
    if not seen.starts:
        problems.append("no modest export began")
    if percentile(seen.starts, 0.95) > START_LIMIT:
        problems.append(f"modest exports begin after {percentile(seen.starts, 0.95):.2f} s at the 95th percentile")
    return problems


def report(seen: Seen, seconds: float, peak: int, problems: Sequence[str]) -> str:
    """The table, and whether all is right."""
    starts = [f"{percentile(seen.starts, share) * 1000:,.0f}" for share in (0.5, 0.95, 1.0)]
    refused = sum(count for text, count in seen.problems.items() if "refused" in text)
    cells = [
        f"{seconds:g}",
        f"{len(seen.starts):,}",
        f"{refused:,}",
        ", ".join(starts),
        f"{seen.greedy[Ending.COMPLETE.value]:,}",
        f"{seen.greedy[Ending.REFUSED.value]:,}",
        f"{seen.files['taken']:,}, {seen.files['refused']:,}",
        f"{peak / (1 << 20):.0f}",
        "yes" if not problems else "; ".join(problems),
    ]
    names = (
        "s",
        "modest exports",
        "refused",
        "first byte: median, 95 %, slowest ms",
        "greedy downloads",
        "refused",
        "greedy files taken, refused",
        "peak of the group MB",
        "right",
    )
    lines = [" | ".join(names), " | ".join(["---"] * len(names)), " | ".join(cells)]
    return "\n".join(f"| {line} |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove and print."""
    options = _options(arguments)
    if _core.build_profile != "release":
        print(f"the core is a {_core.build_profile} build; make install makes a release build", file=sys.stderr)
        return 2
    keys = {name: secrets.token_urlsafe(16) for name in ("greedy", "hungry", "modest")}
    try:
        with EmbeddedServer() as server, tempfile.TemporaryDirectory(prefix="polyglot-fair-") as folder:
            fill(server.dsn(), ROWS)
            expected = {spec: Oracle(server.dsn()).digest(spec) for spec in MODEST}
            config = Path(folder) / "polyglot.toml"
            config.write_text(configuration(keys))
            with confined_service(server.dsn(), GROUP_BYTES, {"config": config}) as service:
                one, two, modest = keys.values()
                seen = asyncio.run(beside_greedy_ones(service.port, (one, two, modest), expected, options.seconds))
                ended, peak = service.ended(), service.group.usage().peak
    except NoGroup as error:
        print(error, file=sys.stderr)
        return EXIT_NOT_HERE
    problems = problems_of(seen, ended=ended)
    text = report(seen, options.seconds, peak, problems)
    print(text)
    if options.page is not None:
        write_into(options.page, "fair", text)
    return EXIT_WRONG if problems else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (60)")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the table between the marks of this page")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    # Who ends the command by a signal must not leave the service and its group behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    raise SystemExit(main())
