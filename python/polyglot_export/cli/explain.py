"""``polyglot explain``: the plan of an export, which is made and not run."""

from __future__ import annotations

from polyglot_export.cli.common import Columns, Debug, Dsn, FormatOption, Limit, Options, OrderBy, Query, Source, Where, database, show
from polyglot_export.cli.complaints import suggesting
from polyglot_export.cli.target import STDOUT, choose

__all__ = ["explain_command"]


def explain_command(
    *,
    source: Source = None,
    query: Query = None,
    dsn: Dsn = None,
    format_name: FormatOption = None,
    columns: Columns = None,
    where: Where = None,
    order_by: OrderBy = None,
    limit: Limit = None,
    option: Options = None,
    debug: Debug = False,
) -> None:
    """Show how an export would be read: the segments, their SQL, the decoder of each column, and why.

    The plan is made inside a transaction that is rolled back; no row is read.
    """
    del debug
    from polyglot_export.cli.request import build_spec
    from polyglot_export.export import explain

    spec = build_spec(
        source,
        query,
        target=choose(STDOUT, format_name, None),
        columns=columns,
        where=where,
        order_by=order_by,
        limit=limit,
        option=option,
    )
    with suggesting(database(dsn), source):
        show(str(explain(spec, dsn=database(dsn))))
