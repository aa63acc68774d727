"""The progress bars of an export, a dump and a check, and the line that sums an export up; all on standard error.

rich is imported only when a bar is drawn. That happens only on a terminal, so scripts do not pay for the import.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from polyglot_export.text.sizes import counted, size_text
from polyglot_export.text.times import rows_per_second, seconds_text

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from polyglot_export.cli.transfer import Meter
    from polyglot_export.dumps.request import DumpProgress
    from polyglot_export.execution.export import Export
    from polyglot_export.execution.run import ExportResult
    from polyglot_export.manifest.report import VerifyProgress

__all__ = [
    "Bar",
    "DumpBar",
    "NoBar",
    "VerifyBar",
    "dump_meter",
    "losses_line",
    "meter_for",
    "summary_line",
    "verify_meter",
]

SPEED_ROWS = 10_000
"""Below this number of rows no speed is shown: connecting took most of the time."""


class NoBar:
    """Draws nothing."""

    visible = False

    def draw(self, export: Export | None) -> None:
        """Nothing to draw."""

    def stop(self) -> None:
        """Nothing to remove."""


class _Line:
    """A line that is redrawn on standard error, until the terminal is gone.

    Args:
        visible: Whether there is anything to draw on.
    """

    def __init__(self, *, visible: bool) -> None:
        self.visible = visible
        self._progress: RichProgress | None = None

    def stop(self) -> None:
        """Remove the line and show the cursor again."""
        progress, self._progress = self._progress, None
        if progress is not None:
            with suppress(OSError):
                progress.stop()

    def _show(
        self,
        description: str,
        fraction: float | None,
        *,
        rows: str = "",
        size: str = "",
        speed: str = "",
    ) -> None:
        if not self.visible:
            return
        try:
            if self._progress is None:
                self._progress = _bar()
                self._progress.add_task(description, total=None, rows="", size="", speed="")
                self._progress.start()
            self._progress.update(
                self._progress.task_ids[0],
                description=description,
                total=None if fraction is None else 1.0,
                completed=fraction or 0.0,
                rows=rows,
                size=size,
                speed=speed,
            )
            self._progress.refresh()
        except OSError:
            self.visible = False


class Bar(_Line):
    """Of an export: share done, rows, size, rows a second, time left.

    Share and time left are computed from the segments that are done, or from the estimated rows. For a query that
    nothing is known about in advance, the bar only moves and shows no time left.
    """

    def __init__(self) -> None:
        super().__init__(visible=True)
        self._opened: float | None = None

    def draw(self, export: Export | None) -> None:
        """Draw the state of the export, which is ``None`` while it is being opened."""
        if export is None:
            self._show("connecting", None)
            return
        now = time.monotonic()
        if self._opened is None:
            self._opened = now
        state = export.progress()
        self._show(
            "exporting",
            state.fraction,
            rows=f"{state.rows:,} rows",
            size=size_text(state.bytes),
            speed=rows_per_second(state.rows, now - self._opened),
        )


class VerifyBar(_Line):
    """Of a check: share done, files, size, bytes a second, time left."""

    def __init__(self, *, visible: bool) -> None:
        super().__init__(visible=visible)
        self._started = time.monotonic()

    def draw(self, state: VerifyProgress) -> None:
        """Draw how far it is."""
        seconds = time.monotonic() - self._started
        self._show(
            "verifying",
            state.bytes / state.bytes_total if state.bytes_total else None,
            rows=f"{state.files:,} of {counted(state.files_total, 'file')}",
            size=size_text(state.bytes),
            speed=f"{size_text(state.bytes / seconds)}/s" if seconds > 0 else "",
        )


class DumpBar(_Line):
    """Of a dump: share done, relations, rows, size, rows a second, time left."""

    def __init__(self, *, visible: bool) -> None:
        super().__init__(visible=visible)
        self._started = time.monotonic()

    def draw(self, state: DumpProgress) -> None:
        """Draw how far it is."""
        self._show(
            "dumping",
            state.fraction,
            rows=f"{state.relations:,} of {counted(state.relations_total, 'relation')}, {state.rows:,} rows",
            size=size_text(state.bytes),
            speed=rows_per_second(state.rows, time.monotonic() - self._started),
        )


def meter_for(*, quiet: bool, to_terminal: bool) -> Meter:
    """Choose a bar if standard error is a terminal, unless the rows themselves are written to a terminal.

    Args:
        quiet: The user asked for no bar.
        to_terminal: The rows are written to a terminal.
    """
    return Bar() if _is_wanted(quiet=quiet or to_terminal) else NoBar()


def verify_meter(*, quiet: bool) -> VerifyBar:
    """A bar that is drawn if standard error is a terminal and the user has not asked for quiet."""
    return VerifyBar(visible=_is_wanted(quiet=quiet))


def dump_meter(*, quiet: bool) -> DumpBar:
    """A bar that is drawn if standard error is a terminal and the user has not asked for quiet."""
    return DumpBar(visible=_is_wanted(quiet=quiet))


def _is_wanted(*, quiet: bool) -> bool:
    return not quiet and sys.stderr is not None and sys.stderr.isatty()


def summary_line(result: ExportResult, target: str) -> str:
    """``1,000,000 rows, 152.4 MB in 1.9 s (526,315 rows/s) to orders.csv``, and what its readers may not expect."""
    speed = rows_per_second(result.rows, result.seconds) if result.rows >= SPEED_ROWS else ""
    pace = f" ({speed})" if speed else ""
    moved = f"{counted(result.rows, 'row')}, {size_text(result.bytes)} in {seconds_text(result.seconds)}{pace}"
    return "; ".join((f"{moved} to {target}", *result.remarks))


def losses_line(losses: Mapping[str, int]) -> str | None:
    """A warning with the number of values that an option allowed to change, by column; ``None`` when there are none."""
    lost = [f"{column}: {counted(number, 'value')}" for column, number in losses.items() if number]
    return (
        f"warning: the format could not hold all values and the options allowed to change them: {', '.join(lost)}"
        if lost
        else None
    )


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
        # The loop that waits for signals also redraws the bar, so rich needs no thread of its own.
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
