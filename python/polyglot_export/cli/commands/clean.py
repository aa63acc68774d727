"""``polyglot clean`` ends what killed exports have left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from polyglot_export.cli.options import Command, debug_option, parse_time
from polyglot_export.cli.talk import one_line, say, show
from polyglot_export.errors import SpecError

if TYPE_CHECKING:
    from datetime import datetime

    from polyglot_export.destinations.store import Unfinished

__all__ = ["HELP_POSITION", "clean_command"]

HELP_POSITION = 4


@click.command("clean", cls=Command)
@click.argument("destination", metavar="DEST")
@click.option(
    "--older-than",
    metavar="AGE",
    default="1d",
    show_default=True,
    help="Leave alone what was begun, or written to, within this time, as 30min, 12h or 7d: it may be running.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@debug_option
def clean_command(*, destination: str, older_than: str, dry_run: bool) -> None:
    """End what exports have left that were killed: unfinished uploads to an object store, which cost money although
    nobody can read them, and temporary files in a folder.

    DEST is a bucket, a prefix or an object (s3://lake/2026-11-25/), a folder, or the name of a file. Whole files are
    never touched. Uploads of other programs below the same prefix are ended too.

    \b
    polyglot clean s3://lake/ --dry-run
    polyglot clean exports/ --older-than 2h
    """  # noqa: D301 - click reads the backspace as: do not join these lines
    from polyglot_export.destinations.stores import store

    place = store(destination)
    before = _before(older_than)
    gone = young = 0
    for each in place.unfinished():
        if each.touched is not None and each.touched > before:
            young += 1
            continue
        if not dry_run:
            place.end(each)
        gone += 1
        show(one_line(_line(place.url, each, dry_run=dry_run)))
    say(_summary(gone, young, older_than, dry_run=dry_run))


def _summary(gone: int, young: int, older_than: str, *, dry_run: bool) -> str:
    left = f"; {young:,} left alone, begun within {older_than}" if young else ""
    if not gone:
        return f"nothing to clean{left}"
    return f"{gone:,} unfinished {'would be removed' if dry_run else 'removed'}{left}"


def _line(place: str, each: Unfinished, *, dry_run: bool) -> str:
    name = f"{place.rstrip('/')}/{each.path}" if each.path else place
    return f"{'would remove' if dry_run else 'removed'} {name} ({_when(each.touched)})"


def _when(touched: datetime | None) -> str:
    return "of unknown age" if touched is None else f"last touched {touched:%Y-%m-%d %H:%M:%S} UTC"


def _before(older_than: str) -> datetime:
    """What was touched later is left alone."""
    from datetime import UTC, datetime, timedelta

    seconds = parse_time(older_than, "--older-than") or 0.0
    try:
        return datetime.now(UTC) - timedelta(seconds=max(0.0, seconds))
    except OverflowError:
        raise SpecError("--older-than", f"is longer ago than any date (got {older_than!r})") from None
