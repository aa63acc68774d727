"""``polyglot verify``: is a set of files still what its manifest says?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from polyglot_export.cli.connections import named_database
from polyglot_export.cli.options import Command, debug_option
from polyglot_export.cli.talk import one_line, say, show

if TYPE_CHECKING:
    from polyglot_export.manifest.report import VerifyReport
    from polyglot_export.manifest.verify import Compare

__all__ = ["HELP_POSITION", "verify_command"]

HELP_POSITION = 3

DOES_NOT_HOLD = 1


@click.command("verify", cls=Command)
@click.argument("destination", metavar="DEST")
@click.option(
    "--workers",
    "-w",
    type=click.IntRange(min=1),
    metavar="N",
    help="Files that are read at the same time. Default: one a CPU, at most 4.",
)
@click.option(
    "--against",
    metavar="DSN",
    help="Compare with this database too: the rows of each relation, and what changed since where the manifest has "
    "fingerprints.",
)
@click.option("--quiet", is_flag=True, help="No progress bar and no summary. Faults are still told.")
@debug_option
def verify_command(*, destination: str, workers: int | None, against: str | None, quiet: bool) -> None:
    """See whether files are still what their manifest says: each is read anew to its end.

    DEST is a folder or a prefix (s3://lake/2026-11-25/) with a manifest.json in it, or a manifest of another name.
    Compared are the bytes and the SHA-256 of each file, and its rows, which are counted by reading its format. One
    line tells each fault: missing, extra, short, long, changed, another count.

    Exit codes: 0 everything was checked and holds, 1 something does not hold or could not be checked, 2 wrong use.

    \b
    polyglot verify s3://lake/2026-11-25/
    polyglot verify orders.csv.json
    polyglot verify tonight/ --against postgresql:///shop
    """  # noqa: D301 - click reads the backspace as: do not join these lines
    from polyglot_export.cli.progress import verify_meter
    from polyglot_export.cli.signals import raising_interrupted
    from polyglot_export.manifest.verify import verify_set

    meter = verify_meter(quiet=quiet)
    try:
        with raising_interrupted():
            compare = _compare(against)
            report = verify_set(destination, workers=workers, compare=compare, on_progress=meter.draw)
    finally:
        meter.stop()
    for finding in (*report.faults, *report.unchecked):
        show(one_line(str(finding)))
    if not quiet:
        for remark in report.remarks:
            say(remark)
        say(_summary(report))
    raise click.exceptions.Exit(0 if report.ok else DOES_NOT_HOLD)


def _compare(dsn: str | None) -> Compare | None:
    if dsn is None:
        return None
    from polyglot_export.manifest.against import Against

    return Against(named_database(dsn) or dsn)


def _summary(report: VerifyReport) -> str:
    """``3 files, 152.4 MB, 1,000,000 rows in 1.9 s: all of it holds``."""
    from polyglot_export.text.sizes import counted, size_text
    from polyglot_export.text.times import seconds_text

    found = [
        counted(number, noun)
        for number, noun in ((len(report.faults), "fault"), (len(report.unchecked), "thing"))
        if number
    ]
    if report.unchecked:
        found[-1] += " not checked"
    read = f"{counted(report.files, 'file')}, {size_text(report.bytes)}, {counted(report.rows, 'row')}"
    return f"{read} in {seconds_text(report.seconds)}: {' and '.join(found) or 'all of it holds'}"
