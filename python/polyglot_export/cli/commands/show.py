"""``polyglot show``: the first rows of a table, view or query, as a table for people."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import click

from polyglot_export.cli.connections import database
from polyglot_export.cli.errors import suggesting
from polyglot_export.cli.options import Command, debug_option, lock_timeout_option
from polyglot_export.cli.quick import import_psycopg
from polyglot_export.cli.selection import Running, Selection, rows_options
from polyglot_export.cli.talk import say, show
from polyglot_export.formats.registry import Format
from polyglot_export.text.sizes import counted

if TYPE_CHECKING:
    from polyglot_export.cancel import CancelToken
    from polyglot_export.cli.sample.reading import Rows
    from polyglot_export.cli.sample.table import Look
    from polyglot_export.execution.export import Export
    from polyglot_export.planning.plan import Column
    from polyglot_export.request.spec import ExportSpec

__all__ = ["HELP_POSITION", "show_command"]

HELP_POSITION = 1

ROWS = 20
SHOWN_ROWS = 1_000
"""So many are shown at most: all of them are held until the widths of the columns are known."""

NUMBERS = frozenset({"int2", "int4", "int8", "float4", "float8", "numeric", "money", "oid"})
"""Decoders whose values are set to the right."""


@click.command("show", cls=Command)
@rows_options
@click.option(
    "--limit",
    "-n",
    type=click.IntRange(min=0, max=SHOWN_ROWS),
    default=ROWS,
    show_default=True,
    metavar="N",
    help="So many rows.",
)
@lock_timeout_option
@debug_option
def show_command(*, selection: Selection, dsn: str | None, lock_timeout: str | None) -> None:
    """Show the first rows of a table, a view or a query, with the types of its columns.

    Values are the server's own text, in UTC. On a terminal the table has its width, and what is cut ends in …; in a
    pipe nothing is narrowed, and of a value at most 1,000 characters are shown, of very many values fewer. NULL is
    NULL, and text that reads so stands in quotes.

    \b
    polyglot show orders
    polyglot show orders --where "state = 'new'" --order-by created_at:desc -n 5
    polyglot show --query 'select state, count(*) from orders group by 1'
    """  # noqa: D301 - click reads the backspace as: do not join these lines
    import_psycopg()
    from polyglot_export.cli.sample.reading import OPTIONS, Rows
    from polyglot_export.cli.sample.table import Heading, sheet

    wanted = selection.limit if selection.limit is not None else ROWS
    # One more tells whether there are more.
    spec = selection._replace(limit=wanted + 1).spec(Format.CSV, options=OPTIONS)
    found = Rows()
    columns = _read(spec, Running(1, None, lock_timeout), dsn, found)
    if not columns:
        show(f"{counted(min(len(found.rows), wanted), 'row')} without columns")
        return
    headings = [Heading(each.target, each.sql_type, each.kind in NUMBERS) for each in columns]
    table = sheet(headings, found.rows[:wanted], _look())
    show("\n".join(table.lines))
    if table.left_out:
        say(f"no room for {counted(len(table.left_out), 'column')}: {', '.join(table.left_out)}; --columns chooses")
    if len(found.rows) > wanted:
        say(f"these are the first {wanted:,} rows; -n N shows more")


def _read(spec: ExportSpec, running: Running, dsn: str | None, found: Rows) -> tuple[Column, ...]:
    """Fill in the rows; gives the columns."""
    from polyglot_export.cli.progress import NoBar
    from polyglot_export.cli.sample.reading import characters_for
    from polyglot_export.cli.transfer import transfer
    from polyglot_export.execution.opening import open_export
    from polyglot_export.limits import FILE_CHUNK_BYTES, PARQUET_ROW_BYTES

    run = running.settings(chunk_bytes=FILE_CHUNK_BYTES, row_bytes=PARQUET_ROW_BYTES, application_name="polyglot show")
    columns: tuple[Column, ...] = ()

    def opener(token: CancelToken) -> Export:
        nonlocal columns
        opened = open_export(spec, dsn=database(dsn), run=run, token=token)
        columns = opened.plan.columns
        found.characters = characters_for(len(columns) * (spec.limit or 1))
        return opened

    with suggesting(database(dsn), spec.dataset):
        transfer(opener, found, NoBar())
    return columns


def _look() -> Look:
    """Of standard output. The variable ``NO_COLOR`` (https://no-color.org) asks for plain text."""
    from polyglot_export.cli.sample.table import Look

    if sys.stdout is None or not sys.stdout.isatty():
        return Look(None, styled=False)
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return Look(shutil.get_terminal_size().columns, styled=not plain)
