"""What the demo shows: a bar on a terminal, plain lines in a pipe, and the table at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

__all__ = ["Result", "Screen"]

MEGABYTE: Final = 1_000_000
PLAIN_STEPS: Final = 10
"""Lines that a pipe gets for one bar."""


@dataclass(frozen=True)
class Result:
    """One line of the table.

    Attributes:
        name: ``csv``, ``csv.gz`` …
        rows: Rows that the reader found in the file.
        seconds: From the request to the last byte on disk.
        size: Bytes received.
        peak: Largest resident set of the service during the download, in bytes.
        ratio: ``seconds`` by those of psql's own copy as csv to /dev/null.
        problem: Why the file is not what the server says, or None.
    """

    name: str
    rows: int
    seconds: float
    size: int
    peak: int
    ratio: float
    problem: str | None


class Screen:
    """Standard output."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()

    def say(self, text: str = "") -> None:
        """One line."""
        print(text, flush=True)

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show how far something is; yields a function that takes the number done up to now."""
        if not self._terminal:
            yield _plain_bar(title, total)
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
        )
        with Progress(*columns, console=Console(file=sys.stdout)) as progress:
            task = progress.add_task(title, total=total)
            yield lambda done: progress.update(task, completed=done)

    def table(self, results: Sequence[Result], psql_seconds: float) -> None:
        """The results, and what the last column is relative to."""
        heads = ("format", "rows", "seconds", "rows/s", "size MB", "peak RSS MB", "to psql", "check")
        lines = [
            (
                result.name,
                f"{result.rows:,}",
                f"{result.seconds:.2f}",
                f"{result.rows / result.seconds:,.0f}",
                f"{result.size / MEGABYTE:,.1f}",
                f"{result.peak / MEGABYTE:.0f}",
                f"{result.ratio:.2f}",
                "ok" if result.problem is None else "WRONG",
            )
            for result in results
        ]
        widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
        self.say()
        for number, line in enumerate((heads, *lines)):
            first, *middle, last = (
                text.ljust(width) if at in (0, 7) else text.rjust(width)
                for at, (text, width) in enumerate(zip(line, widths, strict=True))
            )
            self.say("  ".join((first, *middle, last)).rstrip())
            if number == 0:
                self.say("  ".join("-" * width for width in widths))
        self.say()
        self.say(
            f"to psql: relative to {psql_seconds:.2f} s, the time of psql \\copy records (csv) to /dev/null in this "
            "run."
        )
        self.say(
            "check: row count and sums of ids, values, names and documents, read by an independent reader, equal the "
            "server's."
        )


def _plain_bar(title: str, total: int) -> Callable[[int], None]:
    started = time.monotonic()
    shown = 0

    def show(done: int) -> None:
        nonlocal shown
        step = done * PLAIN_STEPS // max(total, 1)
        if step > shown:
            shown = step
            print(f"{title}: {done:,} of {total:,} ({time.monotonic() - started:.1f} s)", flush=True)

    return show
