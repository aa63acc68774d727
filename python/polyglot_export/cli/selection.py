"""What is exported, and how it is run: the options of ``export``, ``explain`` and, in part, ``show``, as records."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from polyglot_export.cli.completion.values import (
    complete_columns,
    complete_file,
    complete_option,
    complete_order,
    complete_source,
    complete_term,
)
from polyglot_export.cli.options import (
    dsn_option,
    format_option,
    lock_timeout_option,
    parse_rate,
    parse_time,
    rate_limit_option,
)
from polyglot_export.compressions import Compression
from polyglot_export.destinations.naming import COMPRESSIONS, Wording
from polyglot_export.errors import SpecError
from polyglot_export.formats.registry import Format

if TYPE_CHECKING:
    from polyglot_export.execution.run import RunSettings
    from polyglot_export.request.spec import ExportSpec

__all__ = ["WORDING", "Running", "Selection", "Splitting", "export_options", "rows_options"]

WORDING = Wording(
    "output", "--format", "--compression", "--option compression=…", "or write to standard output: -o - > name"
)
"""How the command line speaks of a destination and its form."""

Function = TypeVar("Function", bound=Callable[..., Any])


class Selection(NamedTuple):
    """Which rows and columns of which source."""

    source: str | None
    query: str | None
    query_file: str | None
    param: tuple[str, ...]
    null_param: tuple[str, ...]
    columns: tuple[str, ...]
    exclude: tuple[str, ...]
    where: tuple[str, ...]
    sql_where: str | None
    order_by: tuple[str, ...]
    limit: int | None

    def spec(
        self, format_: Format, compression: Compression | None = None, option: tuple[str, ...] = (), **further: object
    ) -> ExportSpec:
        """The spec of an export of it.

        Args:
            format_: Of the file.
            compression: Of the whole file.
            option: Options of the format, as they were written.
            further: Other members, which win.

        Raises:
            SpecError: An option is wrong; its field and reason say which and why.
        """
        if self.query is not None and self.query_file is not None:
            raise SpecError(None, "give --query or --query-file, not both")
        if (self.source is None) == (self.query is None and self.query_file is None):
            neither = "name a table or view, or give --query"
            raise SpecError(None, neither if self.source is None else "give SOURCE or --query, not both")
        from polyglot_export.request.parse import parse_spec

        data: dict[str, object] = {
            "format": format_,
            "dataset": self.source,
            "query": self._query(),
            "sqlWhere": self.sql_where,
            "limit": self.limit,
            "compression": compression,
        }
        if self.param or self.null_param:
            from polyglot_export.cli.query_text import read_parameters

            if self.source is not None:
                raise SpecError("param", "is for the :name of --query; a table has none")
            data["parameters"] = read_parameters(self.param, self.null_param)
        if self.columns or self.exclude or self.where or self.order_by or option:
            # Most exports have none of these, and start without their language.
            from polyglot_export.request.language.arguments import (
                parse_columns,
                parse_names,
                parse_options,
                parse_order,
                parse_where,
            )

            data["filter"] = [parse_where(term) for term in self.where]
            data["orderBy"] = parse_order(self.order_by)
            data["options"] = parse_options(option, format_)
            data["exclude"] = parse_names("exclude", self.exclude)
            if self.columns:
                data["columns"] = parse_columns(self.columns)
        return parse_spec(data | further)

    def _query(self) -> str | None:
        if self.query_file is not None:
            from polyglot_export.cli.query_text import read_query

            return read_query(f"@{self.query_file}")
        if self.query is None or (self.query != "-" and not self.query.startswith("@")):
            return self.query
        from polyglot_export.cli.query_text import read_query

        return read_query(self.query)


class Splitting(NamedTuple):
    """By what the rows are shared out among the connections."""

    split_by: str | None
    split_values: str | None

    def members(self) -> dict[str, object]:
        """Those of a spec.

        Raises:
            SpecError: One of them cannot be read.
        """
        members: dict[str, object] = {}
        if self.split_by is not None:
            from polyglot_export.request.language.arguments import parse_split

            members["splitBy"] = parse_split(self.split_by)
        if self.split_values is not None:
            from polyglot_export.request.language.arguments import parse_split_values

            members["splitValues"] = parse_split_values(self.split_values)
        return members


class Running(NamedTuple):
    """How an export is run."""

    workers: int | None
    rate_limit: str | None
    lock_timeout: str | None

    def settings(self, **further: Any) -> RunSettings:
        """As the library takes them; ``further`` ones of its fields are added.

        Raises:
            SpecError: One of them is no rate, or no time.
        """
        from polyglot_export.execution.run import RunSettings

        return RunSettings(
            workers=self.workers,
            rate_limit=parse_rate(self.rate_limit),
            lock_timeout=parse_time(self.lock_timeout, "lock_timeout"),
            **further,
        )


_ROWS = (
    click.argument(
        "source",
        metavar="[SOURCE]",
        required=False,
        shell_complete=complete_source,
        help="Table, view or materialized view: name or schema.name.",
    ),
    click.option(
        "--query",
        "-q",
        metavar="SQL",
        help="The rows of this SELECT instead of a table; @report.sql reads it from a file, - from standard input.",
    ),
    click.option(
        "--query-file",
        metavar="FILE",
        shell_complete=complete_file,
        help="The same as --query @FILE.",
    ),
    click.option(
        "--param",
        multiple=True,
        metavar="NAME=VALUE",
        help="The value for :NAME in the query, as from=2026-01-01 or states={new,paid} for an array; never SQL, of "
        "the type that the server finds for it.",
    ),
    click.option("--null-param", multiple=True, metavar="NAME", help="NULL for :NAME in the query."),
    dsn_option,
    click.option(
        "--columns",
        "-c",
        multiple=True,
        metavar="NAMES",
        shell_complete=complete_columns,
        help="Columns in this order, as id,value=amount: value is called amount in the file. * stands for all that are "
        'not named beside it. Names with a comma, = or " go in double quotes. Default: all.',
    ),
    click.option(
        "--exclude",
        multiple=True,
        metavar="NAMES",
        shell_complete=complete_columns,
        help="Leave out these columns, as note,payload, where all are meant.",
    ),
    click.option(
        "--where",
        multiple=True,
        metavar="TERM",
        shell_complete=complete_term,
        help="Only rows for which this holds, as 'id <= 1000', \"state in ('new', 'paid')\" or 'note is null'. "
        "Operators: =, !=, <, <=, >, >=, in, between … and …, like, is null, is not null. All of several terms must "
        "hold.",
    ),
    click.option(
        "--sql-where",
        metavar="SQL",
        help="Only rows for which this condition in SQL holds, as \"created_at >= now() - interval '1 month'\". The "
        "server parses it alone first.",
    ),
    click.option(
        "--order-by",
        multiple=True,
        metavar="KEYS",
        shell_complete=complete_order,
        help="Sort, as created_at:desc,id. The primary key is added to make the order complete.",
    ),
)
_LIMIT = click.option("--limit", "-n", type=click.IntRange(min=0), metavar="N", help="At most this many rows.")
_SPLIT = (
    click.option(
        "--split-by",
        metavar="COLUMN[:N]",
        shell_complete=complete_columns,
        help="Read a query or view by several connections, each of which takes the rows of a range of this column's "
        "values; the rows come in the order of the column. Where neither an index nor partitions make the parts cheap, "
        "it is read by one; COLUMN:N makes N parts all the same.",
    ),
    click.option(
        "--split-values",
        metavar="EXPR",
        shell_complete=complete_columns,
        help="The same with a part for each value of a column, or of an expression in SQL such as "
        "'extract(year from at)', which has few of them.",
    ),
)
_FORM = (
    click.option(
        "--format",
        "-f",
        "format_name",
        type=click.Choice([each.value for each in Format]),
        help="Format of the file. Default: what the file name says, else csv.",
    ),
    click.option(
        "--compression",
        type=click.Choice([each.value for each in Compression]),
        help=f"Compress the text formats. Default: what the file name says ({', '.join(COMPRESSIONS)}).",
    ),
    format_option(complete_option),
)
_RUN = (
    click.option(
        "--output",
        "-o",
        metavar="FILE",
        default="",
        shell_complete=complete_file,
        help="File to write, or the URL of an object, as s3://lake/orders.parquet (gs://, az:// and file:// too). It "
        "appears complete or not at all, and replaces one of that name. - is standard output, the default where that "
        "is no terminal.",
    ),
    click.option("--mkdir", is_flag=True, help="Make the folders of FILE that are missing."),
    click.option(
        "--expand",
        is_flag=True,
        help="Read {date} (2026-11-25), {time} (063000) and {dataset} in the names of --output and --manifest.",
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
        "--workers",
        "-w",
        type=click.IntRange(min=1),
        metavar="N",
        help="Connections that read at the same time. Default: one a CPU, at most 4.",
    ),
    rate_limit_option,
    lock_timeout_option,
    click.option("--dry-run", is_flag=True, help="Say what would be read and written, and write nothing."),
    click.option(
        "--sha256", is_flag=True, help="Tell the digest of the file too. It costs a second for each gigabyte or less."
    ),
    click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="One JSON object in place of the summary: rows, bytes, columns, losses. It goes to standard output, or to "
        "standard error where the rows go there.",
    ),
    click.option(
        "--quiet", is_flag=True, help="No progress bar and no summary. Errors and lost values are still told."
    ),
)


def rows_options(command: Function) -> Callable[..., Any]:
    """Add the options that say which rows are meant, which the command gets as ``selection``. Its own ``limit`` is
    among them.
    """
    return _decorated(_gathered(command, selection=Selection), _ROWS)


def export_options(command: Function) -> Callable[..., Any]:
    """Add the options that ``export`` and ``explain`` share, so that one can be written for the other: what to export,
    in which form, where to and how. The command gets some of them together, as ``selection`` and ``running``.
    """
    gathered = _gathered(command, selection=Selection, splitting=Splitting, running=Running)
    return _decorated(gathered, (*_ROWS, _LIMIT, *_SPLIT, *_FORM, *_RUN))


def _decorated(command: Function, options: tuple[Callable[[Function], Function], ...]) -> Function:
    for decorate in reversed(options):
        command = decorate(command)
    return command


def _gathered(command: Function, **records: Any) -> Callable[..., Any]:
    """The command, called with records in place of the options that are their fields."""

    @wraps(command)
    def gathered(**given: Any) -> Any:
        for name, record in records.items():
            given[name] = record(**{field: given.pop(field) for field in record._fields})
        return command(**given)

    return gathered
