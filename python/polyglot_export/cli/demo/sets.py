"""The demo's dump: two tables of one moment into a folder, verified, and the tree that it makes."""

from __future__ import annotations

from pathlib import Path

import psycopg
from psycopg import sql

from polyglot_export.cli.demo.show import Screen
from polyglot_export.library.dump import dump
from polyglot_export.library.verify import verify
from polyglot_export.testing.records import TABLE
from polyglot_export.text.sizes import counted, size_text
from polyglot_export.text.times import seconds_text

__all__ = ["show_dump"]

TOTALS = "totals"
PART_BYTES = 128 << 20
"""Of the pages of ``records``: a million rows are cut into a handful of files."""


def show_dump(screen: Screen, dsn: str, folder: Path) -> str | None:
    """Dump, verify and show.

    Args:
        screen: Where it is shown.
        dsn: The database of the demo.
        folder: That holds nothing yet.

    Returns:
        What is wrong, if something is.
    """
    months = sql.SQL("SELECT date_trunc('month', created_at) AS month, count(*) AS records FROM {} GROUP BY 1")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE TABLE {} AS {}").format(sql.Identifier(TOTALS), months.format(sql.Identifier(TABLE)))
        )
    written = dump(dsn, folder, tables=[TABLE, TOTALS], part_size=PART_BYTES)
    report = verify(folder)
    screen.say()
    screen.say(
        f"dump of {counted(len(written.manifest.relations), 'table')} at one moment:"
        f" {counted(written.rows, 'row')}, {size_text(written.bytes)} in {seconds_text(written.seconds)};"
        f" verified in {seconds_text(report.seconds)}: {'all of it holds' if report.ok else 'it does not hold'}"
    )
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            screen.say(f"  {path.relative_to(folder)}  {size_text(path.stat().st_size)}")
    found = [str(each) for each in (*report.faults, *report.unchecked)]
    return found[0] if found else None
