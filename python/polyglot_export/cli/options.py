"""The options that several commands share and the spec that they describe; and how a command talks to its user."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from polyglot_export.compressions import Compression
from polyglot_export.destinations.naming import COMPRESSIONS, Wording
from polyglot_export.errors import SpecError
from polyglot_export.formats.registry import Format

if TYPE_CHECKING:
    from polyglot_export.destinations.naming import Target
    from polyglot_export.request.spec import ExportSpec

__all__ = [
    "WORDING",
    "Command",
    "build_spec",
    "database",
    "debug_option",
    "dsn_option",
    "export_options",
    "format_option",
    "is_debugging",
    "leave_quietly",
    "lock_timeout_option",
    "one_line",
    "parse_rate",
    "parse_time",
    "rate_limit_option",
    "say",
    "show",
]

WORDING = Wording(
    "output", "--format", "--compression", "--option compression=…", "or write to standard output: -o - > name"
)
"""How the command line speaks of a destination and its form."""

Function = TypeVar("Function", bound=Callable[..., Any])

_state = {"debug": False}


def _set_debug(_context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        _state["debug"] = True


def is_debugging() -> bool:
    """True when ``--debug`` was given: errors are then shown with their traceback."""
    return _state["debug"]


class Command(click.Command):
    """A command that refuses an option which is given twice: click would take the last one without a word."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments."""
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        single = [each for each in order if isinstance(each, click.Option) and not each.multiple and not each.is_flag]
        for each in single:
            if single.count(each) > 1:
                raise click.UsageError(f"{each.opts[0]} is given twice; it takes one value", ctx)
        rest = super().parse_args(ctx, args)
        for parameter in self.params:
            # Names only; the name of a file may be any bytes.
            given = ctx.params.get(parameter.name or "") if isinstance(parameter, click.Argument) else None
            if isinstance(given, str) and any("\udc80" <= character <= "\udcff" for character in given):
                raise click.UsageError(f"{parameter.human_readable_name} must be text in UTF-8", ctx)
        return rest


dsn_option = click.option(
    "--dsn",
    metavar="DSN",
    help="Database, as postgresql://user@host/name or key=value pairs. Default: DATABASE_URL, else the PG* variables "
    "of libpq.",
)
debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_set_debug,
    help="Show the traceback of an error.",
)
format_option = click.option(
    "--option",
    "-O",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the format, as delimiter=';'. Each format has its own.",
)
lock_timeout_option = click.option(
    "--lock-timeout",
    metavar="TIME",
    help="How long to wait for a table that another session has locked, as 30s or 5min. Default: as long as it takes.",
)
rate_limit_option = click.option(
    "--rate-limit", metavar="RATE", help="Bytes a second that are read at most, as in 20MB. Default: no limit."
)
_SELECTION = (
    click.argument(
        "source", metavar="[SOURCE]", required=False, help="Table, view or materialized view: name or schema.name."
    ),
    click.option("--query", "-q", metavar="SQL", help="Export the rows of this SELECT instead of a table."),
    dsn_option,
    click.option(
        "--format",
        "-f",
        "format_name",
        type=click.Choice([each.value for each in Format]),
        help="Format of the file. Default: what the file name says, else csv.",
    ),
    click.option(
        "--columns",
        "-c",
        multiple=True,
        metavar="NAMES",
        help="Columns in this order, as id,value=amount: value is called amount in the file. Names with a comma, = or "
        '" go in double '
        "quotes. Default: all.",
    ),
    click.option(
        "--where",
        multiple=True,
        metavar="TERM",
        help="Only rows for which this holds, as 'id <= 1000', \"state in ('new', 'paid')\" or 'note is null'. "
        "Operators: =, !=, <, "
        "<=, >, >=, in, between … and …, like, is null, is not null. All of several terms must hold.",
    ),
    click.option(
        "--order-by",
        multiple=True,
        metavar="KEYS",
        help="Sort, as created_at:desc,id. The primary key is added to make the order complete.",
    ),
    click.option("--limit", "-n", type=click.IntRange(min=0), metavar="N", help="At most this many rows."),
    format_option,
)
_RUN = (
    click.option(
        "--output",
        "-o",
        metavar="FILE",
        default="",
        help="File to write, or the URL of an object, as s3://lake/orders.parquet (gs://, az:// and file:// too). It "
        "appears complete or not at all, and replaces one of that name. - is standard output, the default.",
    ),
    click.option(
        "--manifest",
        metavar="FILE",
        help="Write a manifest too, a .json file in the folder of the output or above it: what the file is, of which "
        "moment, and its digest. polyglot verify FILE checks it.",
    ),
    click.option(
        "--fingerprints",
        is_flag=True,
        help="With --manifest: note what the server says of each segment's rows, so that verify --against can tell "
        "what changed since.",
    ),
    click.option(
        "--compression",
        type=click.Choice([each.value for each in Compression]),
        help=f"Compress the text formats. Default: what the file name says ({', '.join(COMPRESSIONS)}).",
    ),
    click.option(
        "--workers",
        "-w",
        type=click.IntRange(min=1),
        metavar="N",
        help="Connections that read at the same time. Default: one a CPU, at most 4.",
    ),
    rate_limit_option,
    lock_timeout_option,
    click.option(
        "--quiet", is_flag=True, help="No progress bar and no summary. Errors and lost values are still told."
    ),
)


def export_options(command: Function) -> Function:
    """Add the options that ``export`` and ``explain`` share, so that one can be written for the other: what to export,
    in which form, where to and how.
    """
    for decorate in reversed((*_SELECTION, *_RUN)):
        command = decorate(command)
    return command


def parse_rate(text: str | None) -> float | None:
    """The value of ``--rate-limit`` in bytes a second.

    Raises:
        SpecError: It is no rate.
    """
    if text is None:
        return None
    from polyglot_export.execution.rate import check_rate
    from polyglot_export.text.sizes import parse_size

    try:
        rate = float(str(parse_size(text)))
    except ValueError as error:
        raise SpecError("rate_limit", f"{error} (got {text!r})") from None
    check_rate(rate)
    return rate


def parse_time(text: str | None, field: str) -> float | None:
    """The value of an option in seconds.

    Raises:
        SpecError: It is no time; ``field`` says of what.
    """
    if text is None:
        return None
    from polyglot_export.text.times import parse_seconds

    try:
        return float(str(parse_seconds(text)))
    except ValueError as error:
        raise SpecError(field, f"{error} (got {text!r})") from None


def build_spec(
    source: str | None,
    query: str | None,
    *,
    target: Target,
    columns: Sequence[str],
    where: Sequence[str],
    order_by: Sequence[str],
    limit: int | None,
    option: Sequence[str],
) -> ExportSpec:
    """Turn the options of the command line into a spec.

    Raises:
        SpecError: An option is wrong; its field and reason say which and why.
    """
    if (source is None) == (query is None):
        raise SpecError(
            None, "name a table or view, or give --query" if source is None else "give SOURCE or --query, not both"
        )
    from polyglot_export.request.parse import parse_spec

    data: dict[str, object] = {
        "format": target.format,
        "dataset": source,
        "query": query,
        "limit": limit,
        "compression": target.compression,
    }
    if columns or where or order_by or option:
        # Most exports have none of these, and start without their language.
        from polyglot_export.request.language.arguments import parse_columns, parse_options, parse_order, parse_where

        data["filter"] = [parse_where(term) for term in where]
        data["orderBy"] = parse_order(order_by)
        data["options"] = parse_options(option, target.format)
        if columns:
            data["columns"] = parse_columns(columns)
    return parse_spec(data)


def database(dsn: str | None) -> str | None:
    """The connection string: ``--dsn``, else ``DATABASE_URL``. With ``None`` libpq's own variables and files decide."""
    return dsn or os.environ.get("DATABASE_URL") or None


def one_line(text: str) -> str:
    """Make one line of a text from elsewhere, in which control characters are shown and cannot steer the terminal."""
    lines = "; ".join(line.strip() for line in text.splitlines() if line.strip())
    return "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in lines)


def say(message: str) -> None:
    """Write one line to standard error, where everything goes that is not data."""
    if sys.stderr is None:
        return
    try:
        print(f"polyglot: {one_line(message)}", file=sys.stderr, flush=True)
    except OSError:
        # Standard error is closed; the exit code still tells.
        return


def show(text: str) -> None:
    """Write the result of a command to standard output. A reader that has left (``| head``) ends the command."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        leave_quietly()


def leave_quietly() -> NoReturn:
    """End with exit code 0 because the reader of standard output wanted no more."""
    # Python flushes standard output once more when it ends, and would complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise click.exceptions.Exit(0)
