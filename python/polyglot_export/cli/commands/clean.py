"""``polyglot clean`` ends what killed exports have left."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from polyglot_export.cli.options import Command, debug_option, one_line, say, show
from polyglot_export.errors import SpecError

if TYPE_CHECKING:
    from datetime import datetime, timedelta

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
    from datetime import UTC, datetime

    from polyglot_export.destinations.registry import remains_of

    place = remains_of(destination)
    before = datetime.now(UTC) - _age(older_than)
    counted = _Counted(0, 0)
    for each in place.unfinished():
        if each.touched is not None and each.touched > before:
            counted = counted.left_alone()
            continue
        if not dry_run:
            place.end(each)
        counted = counted.ended()
        show(one_line(_line(place.url, each, dry_run=dry_run)))
    say(counted.text(older_than, dry_run=dry_run))


class _Counted(NamedTuple):
    gone: int
    young: int

    def ended(self) -> _Counted:
        return self._replace(gone=self.gone + 1)

    def left_alone(self) -> _Counted:
        return self._replace(young=self.young + 1)

    def text(self, older_than: str, *, dry_run: bool) -> str:
        """The last line: what was done in all."""
        young = f"; {self.young:,} left alone, begun within {older_than}" if self.young else ""
        if not self.gone:
            return f"nothing to clean{young}"
        return f"{self.gone:,} unfinished {'would be removed' if dry_run else 'removed'}{young}"


def _line(place: str, each: Unfinished, *, dry_run: bool) -> str:
    name = f"{place.rstrip('/')}/{each.path}" if each.path else place
    return f"{'would remove' if dry_run else 'removed'} {name} ({_when(each.touched)})"


def _when(touched: datetime | None) -> str:
    return "of unknown age" if touched is None else f"last touched {touched:%Y-%m-%d %H:%M:%S} UTC"


def _age(text: str) -> timedelta:
    from datetime import timedelta

    from polyglot_export.text.times import parse_seconds

    try:
        return timedelta(seconds=max(0.0, float(str(parse_seconds(text)))))
    except (ValueError, OverflowError) as error:
        raise SpecError("--older-than", f"{error} (got {text!r})") from None
