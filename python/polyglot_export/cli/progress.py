"""The progress bar of an export and the line that sums it up; both on standard error.

rich is imported only when a bar is drawn, which is only on a terminal: a script never pays for it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from polyglot_export.cli.transfer import Meter
    from polyglot_export.execution.export import Export
    from polyglot_export.execution.run import ExportResult

__all__ = ["Bar", "NoBar", "losses_line", "meter_for", "size", "summary_line"]

SPEED_ROWS = 10_000
"""A summary of fewer rows has no speed: connecting takes most of the time."""

UNITS = ("B", "kB", "MB", "GB", "TB")


class NoBar:
    """Draws nothing."""

    visible = False

    def draw(self, export: Export | None) -> None:
        """Nothing to draw."""

    def stop(self) -> None:
        """Nothing to remove."""


class Bar:
    """A line that is drawn again and again: share done, rows, size, rows a second, time left.

    The share and the time left come from the segments that are done, or from the estimated rows; a query of which
    nothing is known in advance has a moving bar and no time left.
    """

    def __init__(self) -> None:
        self.visible = True
        self._progress: RichProgress | None = None
        self._opened: float | None = None

    def draw(self, export: Export | None) -> None:
        """Draw the state of the export; a terminal that is gone is no reason to stop one."""
        try:
            self._draw(export)
        except OSError:
            self.visible = False

    def stop(self) -> None:
        """Remove the line and show the cursor again."""
        progress, self._progress = self._progress, None
        if progress is not None:
            with suppress(OSError):
                progress.stop()

    def _draw(self, export: Export | None) -> None:
        if self._progress is None:
            self._progress = _bar()
            self._progress.add_task("connecting", total=None, rows="", size="", speed="")
            self._progress.start()
        progress = self._progress
        if export is not None:
            now = time.monotonic()
            if self._opened is None:
                self._opened = now
            state = export.progress()
            progress.update(
                progress.task_ids[0],
                description="exporting",
                total=None if state.fraction is None else 1.0,
                completed=state.fraction or 0.0,
                rows=f"{state.rows:,} rows",
                size=size(state.bytes),
                speed=_speed(state.rows, now - self._opened),
            )
        progress.refresh()


def meter_for(*, quiet: bool, to_terminal: bool) -> Meter:
    """A bar where it helps: on a terminal that the exported rows are not written to as well.

    Args:
        quiet: The user wants none.
        to_terminal: The rows go to a terminal.
    """
    if quiet or to_terminal or sys.stderr is None or not sys.stderr.isatty():
        return NoBar()
    return Bar()


def summary_line(result: ExportResult, target: str) -> str:
    """``1,000,000 rows, 152.4 MB in 1.9 s (526,315 rows/s) to orders.csv``."""
    speed = _speed(result.rows, result.seconds) if result.rows >= SPEED_ROWS else ""
    pace = f" ({speed})" if speed else ""
    return f"{_count(result.rows, 'row')}, {size(result.bytes)} in {result.seconds:.1f} s{pace} to {target}"


def losses_line(losses: Mapping[str, int]) -> str | None:
    """What an option allowed to be lost, by column; ``None`` when nothing was."""
    lost = [f"{column}: {_count(number, 'value')}" for column, number in losses.items() if number]
    return (
        f"warning: the format could not hold all values and the options allowed to change them: {', '.join(lost)}"
        if lost
        else None
    )


def size(number: float) -> str:
    """Bytes for people, in decimal units: ``35.2 MB``."""
    for unit in UNITS:
        if number < 1000 or unit == UNITS[-1]:
            return f"{number:,.1f} {unit}" if unit != "B" else f"{number:,.0f} B"
        number /= 1000
    raise AssertionError("the last unit takes everything")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _speed(rows: int, seconds: float) -> str:
    """Rows a second; empty as long as there is nothing to divide."""
    return f"{rows / seconds:,.0f} rows/s" if rows and seconds > 0 else ""


def _bar() -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]}", markup=False),
        TextColumn("{task.fields[size]}", markup=False),
        TextColumn("{task.fields[speed]}", markup=False),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        # The loop that waits for signals draws; a thread of rich's own would wake up besides.
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
