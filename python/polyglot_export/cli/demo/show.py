"""What the demo shows: a bar on a terminal, plain lines in a pipe, and a table that grows line by line."""

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
HEADS: Final = ("format", "rows", "seconds", "rows/s", "size MB", "peak RSS MB", "to psql", "check")
LEFT: Final = ("format", "check")
"""Columns of words; numbers stand at the right."""


@dataclass(frozen=True)
class Result:
    """One line of the table.

    Attributes:
        name: ``csv``, ``csv.gz`` …
        rows: Rows that the reader found in the file.
        seconds: From the request to the last byte on disk.
        size: Bytes received.
        peak: Largest resident set of the service during the download, in bytes.
        psql_seconds: Those of psql's own copy as csv to /dev/null, right before.
        problem: Why the file is not what the server says, or None.
    """

    name: str
    rows: int
    seconds: float
    size: int
    peak: int
    psql_seconds: float
    problem: str | None


class Screen:
    """Standard output."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._widths: tuple[int, ...] = ()

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

    def table_head(self, rows: int) -> None:
        """The beginning of the table; its columns are as wide as a table of ``rows`` rows needs."""
        widest = {"format": "parquet", "rows": f"{rows:,}", "rows/s": "1,000,000", "size MB": "1,000.0"}
        self._widths = tuple(max(len(head), len(widest.get(head, ""))) for head in HEADS)
        self.say()
        self._line(HEADS)
        self._line(tuple("-" * width for width in self._widths))

    def table_line(self, result: Result) -> None:
        """The next line, as soon as it is known."""
        self._line(
            (
                result.name,
                f"{result.rows:,}",
                f"{result.seconds:.2f}",
                f"{result.rows / result.seconds:,.0f}",
                f"{result.size / MEGABYTE:,.1f}",
                f"{result.peak / MEGABYTE:.0f}",
                f"{result.seconds / result.psql_seconds:.2f}",
                "ok" if result.problem is None else "WRONG",
            )
        )

    def table_foot(self, results: Sequence[Result]) -> None:
        """What the columns mean."""
        psql = [result.psql_seconds for result in results]
        self.say()
        self.say(
            "to psql: relative to psql \\copy records (csv) to /dev/null right before, which took "
            f"{min(psql):.2f} to {max(psql):.2f} s."
        )
        self.say("peak RSS: of the service alone. Nothing is read back while psql or an export is measured.")
        self.say(
            "check: row count and sums of ids, values, names and documents, read by an independent reader, equal the "
            "server's."
        )

    def _line(self, texts: Sequence[str]) -> None:
        cells = (
            text.ljust(width) if head in LEFT else text.rjust(width)
            for head, text, width in zip(HEADS, texts, self._widths, strict=True)
        )
        self.say("  ".join(cells).rstrip())


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
