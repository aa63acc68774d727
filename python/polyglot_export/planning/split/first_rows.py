"""LIMIT as a predicate: of an ordered table, all rows up to the one that the limit ends at.

``ORDER BY`` says which rows are the first only where no two rows are equal in it. Then the server finds the last of
them on the snapshot, and what comes before it is a range of values as every part is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from psycopg import sql

from polyglot_export.errors import SpecError
from polyglot_export.planning.choose import named
from polyglot_export.planning.locate import Located
from polyglot_export.planning.split.comparison import Comparison
from polyglot_export.planning.statement import Statement
from polyglot_export.postgres.catalogue.columns import primary_keys
from polyglot_export.postgres.catalogue.uniqueness import unique_keys
from polyglot_export.postgres.leader import Leader

if TYPE_CHECKING:
    from polyglot_export.request.spec import ExportSpec

__all__ = ["FirstRows", "Order", "find_first_rows", "ordered_by"]

LONGEST = 1_000
"""Bytes of the value at the limit, which stands in a statement; with a longer one the export is read as a whole."""
_UNIQUE = (
    "can stand beside limit only for a table that is sorted by columns which are unique together and never NULL, as a"
    " primary key: elsewhere equal rows may come first or last"
)


class Order(NamedTuple):
    """What is known of a complete order."""

    alone: bool
    """The first column is unique by itself."""
    descending: bool


class FirstRows(NamedTuple):
    """The rows of a limit."""

    term: sql.Composable | None = None
    """What those that are shared out fulfil; ``None`` where there are fewer than the limit."""
    rest: sql.Composable | None = None
    """What the last ones fulfil, of which there may be more …"""
    taken: int = 0
    """… than so many."""


def ordered_by(leader: Leader, found: Located, spec: ExportSpec, field: str) -> Order:
    """See that the order of an export is complete.

    Raises:
        SpecError: Equal rows could come in another order each time, so that no value says which are the first.
    """
    relation = found.relation
    if relation is None or relation.kind not in "rp" or (relation.kind == "r" and relation.has_children):
        raise SpecError(field, _UNIQUE)
    (key,) = primary_keys(leader, [relation.oid]).values()
    exposed = named(found.exposed)
    # Of a masked column the table knows nothing.
    real = {name for name, column in exposed.items() if column in found.columns}
    names = real.intersection({*key, *(term.column for term in spec.order_by)})
    keys = unique_keys(leader, relation.oid)
    if not any(unique <= names for unique in keys):
        raise SpecError(field, _UNIQUE)
    first = spec.order_by[0]
    return Order(frozenset({first.column}) & names in keys, first.direction == "desc")


def find_first_rows(
    leader: Leader, compared: Comparison, statement: Statement, limit: int, order: Order
) -> FirstRows | None:
    """Look up the value that the limit ends at; the server reads so many rows once more, or their index.

    Args:
        leader: In the export's transaction.
        compared: The first column of the order.
        statement: All that is read, in its order.
        limit: At most so many rows.
        order: What is known of it.

    Returns:
        ``None`` where the rows are better not shared out: none is before the value, or it cannot be written.
    """
    if limit == 0:
        return None
    rows = leader.run(_looked_up(compared, statement, limit, order))
    if not rows:
        return FirstRows()
    missing, text, rank, exact = rows[0]
    if missing:
        # NULLs are the last of all, or the first.
        return None if order.descending else FirstRows(compared.present(), compared.missing(), limit - int(rank) + 1)
    if not exact:
        return None
    end = compared.literal(str(text))
    if order.alone:
        return FirstRows(compared.from_(end) if order.descending else compared.up_to(end))
    if int(rank) == 1:
        return None
    before = sql.SQL("({} OR {})").format(compared.behind(end), compared.missing())
    equal = sql.SQL("({} AND {})").format(compared.up_to(end), compared.from_(end))
    return FirstRows(before if order.descending else compared.before(end), equal, limit - int(rank) + 1)


def _looked_up(compared: Comparison, statement: Statement, limit: int, order: Order) -> sql.Composable:
    """The value of the last row; how many rows come before the first that has it, and one; and whether the text of the
    value is that value.
    """
    rank = sql.SQL("1" if order.alone else "pg_catalog.rank() OVER (ORDER BY {} {})").format(
        *(() if order.alone else (compared.value, sql.SQL("DESC" if order.descending else "ASC")))
    )
    last = statement._replace(expressions=(sql.SQL("{} AS v").format(compared.value), sql.SQL("{} AS n").format(rank)))
    return sql.SQL(
        "SELECT v IS NOT DISTINCT FROM NULL, CASE WHEN short THEN t END, n,"
        " short AND v {at_most} t::{type} AND t::{type} {at_most} v"
        " FROM (SELECT v, n, t, pg_catalog.octet_length(t) OPERATOR(pg_catalog.<=) {longest} AS short"
        " FROM (SELECT v, n, CASE WHEN v IS DISTINCT FROM NULL THEN pg_catalog.format('%s', v) END AS t"
        " FROM ({last} OFFSET {before} LIMIT 1) AS a) AS b) AS c"
    ).format(
        at_most=compared.at_most,
        type=compared.type,
        longest=sql.Literal(LONGEST),
        last=last.select(),
        before=sql.Literal(limit - 1),
    )
