"""The options that several commands share, and how a command speaks to people: one line on standard error."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Literal, NoReturn

import typer

__all__ = [
    "Columns",
    "CompressionName",
    "Debug",
    "Dsn",
    "FormatName",
    "FormatOption",
    "Limit",
    "Options",
    "OrderBy",
    "Query",
    "Source",
    "Where",
    "Workers",
    "database",
    "is_debugging",
    "one_line",
    "say",
    "show",
]

FormatName = Literal["csv", "tsv", "json", "ndjson", "xml", "parquet"]
"""The values of ``spec.Format``, written out so that ``--help`` need not import pydantic; a test compares them."""

CompressionName = Literal["gzip", "zstd"]
"""The values of ``spec.Compression``."""

_state = {"debug": False}


def _set_debug(value: bool) -> bool:
    if value:
        _state["debug"] = True
    return value


def is_debugging() -> bool:
    """True when ``--debug`` was given: errors are then shown with their traceback."""
    return _state["debug"]


Source = Annotated[
    str | None,
    typer.Argument(metavar="SOURCE", help="Table, view or materialized view: name or schema.name.", show_default=False),
]
Query = Annotated[
    str | None,
    typer.Option("--query", "-q", metavar="SQL", help="Export the rows of this SELECT instead of a table."),
]
Dsn = Annotated[
    str | None,
    typer.Option(
        metavar="DSN",
        help="Database, as postgresql://user@host/name or key=value pairs. Default: DATABASE_URL, else the PG* variables of libpq.",
    ),
]
Debug = Annotated[
    bool,
    typer.Option("--debug", help="Show the traceback of an error.", callback=_set_debug, is_eager=True),
]
FormatOption = Annotated[
    FormatName | None,
    typer.Option("--format", "-f", help="Format of the file. Default: what the file name says, else csv."),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--columns",
        "-c",
        metavar="NAMES",
        help='Columns in this order, as id,value=amount: value is called amount in the file. Names with a comma, = or " go in double '
        "quotes. Default: all.",
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="TERM",
        help="Only rows for which this holds, as 'id <= 1000', \"state in ('new', 'paid')\" or 'note is null'. Operators: =, !=, <, "
        "<=, >, >=, in, between … and …, like, is null, is not null. All of several terms must hold.",
    ),
]
OrderBy = Annotated[
    list[str] | None,
    typer.Option("--order-by", metavar="KEYS", help="Sort, as created_at:desc,id. The primary key is added to make the order complete."),
]
Options = Annotated[
    list[str] | None,
    typer.Option("--option", "-O", metavar="KEY=VALUE", help="An option of the format, as delimiter=';'. Each format has its own."),
]
Limit = Annotated[int | None, typer.Option("--limit", "-n", metavar="N", help="At most this many rows.", min=0)]
Workers = Annotated[
    int | None,
    typer.Option("--workers", "-w", metavar="N", help="Connections that read at the same time. Default: one a CPU, at most 4.", min=1),
]


def database(dsn: str | None) -> str | None:
    """Which database: ``--dsn``, else ``DATABASE_URL``; ``None`` leaves it to libpq's own variables and files."""
    return dsn or os.environ.get("DATABASE_URL") or None


def one_line(text: str) -> str:
    """Text that came from elsewhere as one line that cannot steer a terminal."""
    lines = "; ".join(line.strip() for line in text.splitlines() if line.strip())
    return "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in lines)


def say(message: str) -> None:
    """Write one line to standard error, the place for everything that is not data."""
    if sys.stderr is None:
        return
    try:
        print(f"polyglot: {one_line(message)}", file=sys.stderr, flush=True)
    except OSError:
        # Nobody listens any more; the exit code says the same.
        return


def show(text: str) -> None:
    """Write the result of a command to standard output. A reader that has left (``| head``) ends the command quietly."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        leave_quietly()


def leave_quietly() -> NoReturn:
    """End with exit code 0 because the reader of standard output wanted no more."""
    # Python flushes standard output once more at its end, and would complain there.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(0)
