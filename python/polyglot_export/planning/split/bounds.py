"""Where the parts of a split begin: values of the split column, between which there are about equally many rows.

Any values would do, since the predicates are disjoint and complete wherever their bounds are: what is found here
decides how even the parts are, and nothing else. What ANALYZE has noted costs nothing; where there is no such note, or
it is not about the rows that are read, the server sorts the column: that of a sample of a table, else that of all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from psycopg import sql

from polyglot_export.errors import SpecError
from polyglot_export.planning.locate import Located
from polyglot_export.planning.split.comparison import Comparison
from polyglot_export.planning.split.nodes import Node, column_of, nodes_of
from polyglot_export.planning.statement import Statement
from polyglot_export.postgres.catalogue.statistics import ColumnName, Spread, read_spread
from polyglot_export.postgres.explain import Explained
from polyglot_export.postgres.leader import Leader
from polyglot_export.postgres.names import is_text

__all__ = ["Bounds", "find_bounds", "find_values"]

SAMPLE_ROWS = 30_000
"""Rows of a sample: of a hundred parts each has then the size that it shall have, within a tenth or so."""
LONGEST = 1_000
"""Bytes of a bound: a longer value is none, and the one before it ends the part. The statistics have no longer ones
either (PostgreSQL's analyze.c, ``WIDTH_THRESHOLD``)."""
ROUNDING = 1e-9
"""Of shares: a third of three is one."""
REPRESENTATIVE = 0.5
"""The share of a table's rows that a query must read, at least, for the table's statistics to be about the query."""


class Bounds(NamedTuple):
    """The texts of values in their order, and where they come from."""

    values: tuple[str, ...]
    source: str


class _Candidates(NamedTuple):
    """Values with how many rows are up to each, from the one before it; any unit will do."""

    values: tuple[tuple[str, float], ...]
    source: str


def find_bounds(
    leader: Leader,
    found: Located,
    compared: Comparison,
    statement: Statement,
    *,
    parts: int,
    explained: Explained,
    nodes: Sequence[Node],
) -> Bounds:
    """At most ``parts - 1`` bounds; fewer where values repeat, none where there is but one value.

    Args:
        leader: In the export's transaction.
        found: What is read.
        compared: The split column.
        statement: All that is read.
        parts: How many parts are wanted.
        explained: The planner's answer for the statement.
        nodes: Its plan of a statement whose first column is the split column.
    """
    noted = None if _is_narrowed(leader, found) else _noted(leader, found, compared, nodes, explained)
    candidates = noted or _sampled(leader, found, compared, statement, parts, explained.rows)
    if len(candidates.values) < 2:
        candidates = _sorted(leader, compared, statement, parts)
    # A value that is not text cannot be written into a statement; as a bound nobody misses it.
    candidates = candidates._replace(values=tuple(each for each in candidates.values if is_text(each[0])))
    weighed: list[tuple[str, float]] = []
    for index, is_new in _in_order(leader, compared, statement.source, [text for text, _ in candidates.values]):
        text, weight = candidates.values[index]
        if is_new:
            weighed.append((text, weight))
        else:
            weighed[-1] = (weighed[-1][0], weighed[-1][1] + weight)
    return Bounds(tuple(_even(weighed, parts)), candidates.source)


def find_values(leader: Leader, compared: Comparison, statement: Statement, *, most: int, field: str) -> Bounds:
    """All values of the column, in their order.

    Raises:
        SpecError: There are more than ``most``, or some are not UTF-8.
    """
    query = sql.SQL(
        "SELECT pg_catalog.format('%s', v) FROM (SELECT DISTINCT {} AS v FROM {}{} LIMIT {}) AS d"
        " WHERE pg_catalog.octet_length(pg_catalog.format('%s', v)) OPERATOR(pg_catalog.<=) {}"
    ).format(compared.value, statement.source, _where(statement, compared), sql.Literal(most + 1), sql.Literal(LONGEST))
    texts = [str(row[0]) for row in leader.run(query)]
    if not all(map(is_text, texts)):
        raise SpecError(field, f"values of {compared.column.name!r} are not UTF-8, so that no statement can name them")
    if len(texts) > most:
        reason = f"is for a column of few values, and {compared.column.name!r} has more than {most:,}; split by ranges"
        raise SpecError(field, f"{reason} of them (splitBy)")
    ordered = _in_order(leader, compared, statement.source, texts)
    return Bounds(tuple(texts[index] for index, is_new in ordered if is_new), "all of its values, read before")


def _is_narrowed(leader: Leader, found: Located) -> bool:
    """Whether statistics would be of rows and values that the caller may not read."""
    return leader.narrowed or leader.hides_values or found.masked or bool(found.rows) or found.condition is not None


def _noted(
    leader: Leader, found: Located, compared: Comparison, nodes: Sequence[Node], explained: Explained
) -> _Candidates | None:
    """From the statistics of the column that the split column is."""
    name = _origin(found, compared, nodes)
    spread = None if name is None else read_spread(leader, name)
    if name is None or spread is None or spread.type != compared.column.type:
        return None
    if max(explained.rows, _rows_of(name, explained)) < REPRESENTATIVE * spread.rows:
        return None
    values = _weighed(spread)
    return _Candidates(values, "the statistics of the column") if len(values) > 1 else None


def _rows_of(name: ColumnName, explained: Explained) -> int:
    """How many rows of a relation the planner reads, of which a group makes few."""
    nodes = (node.plan for node in nodes_of(explained.plan))
    relation = (name.schema, name.relation)
    return max(
        (int(plan["Plan Rows"]) for plan in nodes if (plan.get("Schema"), plan.get("Relation Name")) == relation),
        default=0,
    )


def _origin(found: Located, compared: Comparison, nodes: Sequence[Node]) -> ColumnName | None:
    """The column of a table that the first column of a plan is."""
    nodes, position = _showing(nodes), 0
    if nodes and nodes[0].kind == "Subquery Scan":
        # It shows its own names; below it stand the columns of the query or view, in their order.
        if compared.column not in found.columns:
            return None
        nodes, position = _showing(nodes[1:]), found.columns.index(compared.column)
    output: list[str] = nodes[0].plan["Output"] if nodes else []
    return column_of(output[position], nodes) if position < len(output) else None


def _showing(nodes: Sequence[Node]) -> Sequence[Node]:
    """From the first node on that shows its columns, which an Append does not; its children do, and the first of them
    speaks for all.
    """
    first = next((index for index, node in enumerate(nodes) if "Output" in node.plan), len(nodes))
    return nodes[first : first + 1] if first and first < len(nodes) and _is_scan(nodes[first]) else nodes[first:]


def _is_scan(node: Node) -> bool:
    return "Relation Name" in node.plan


def _weighed(spread: Spread) -> tuple[tuple[str, float], ...]:
    share = spread.rest / max(1, len(spread.histogram) - 1)
    between = [(text, share if index else 0.0) for index, text in enumerate(spread.histogram)]
    return (*spread.common, *between)


def _sampled(
    leader: Leader, found: Located, compared: Comparison, statement: Statement, parts: int, rows: int
) -> _Candidates:
    """From some of the table's pages; from all rows where there are few, or what is read is no table."""
    relation = found.relation
    if relation is None or relation.kind not in "rmp" or rows < 2 * SAMPLE_ROWS:
        return _sorted(leader, compared, statement, parts)
    share = sql.Literal(100 * SAMPLE_ROWS / rows)
    sample = sql.SQL("{} TABLESAMPLE pg_catalog.system ({}) REPEATABLE (0)").format(statement.source, share)
    return _sorted(leader, compared, statement._replace(source=sample), parts)._replace(source="a sample of the table")


def _sorted(leader: Leader, compared: Comparison, statement: Statement, parts: int) -> _Candidates:
    """The server sorts the column and says where each of equally large groups ends."""
    query = sql.SQL(
        "SELECT pg_catalog.format('%s', v) FROM (SELECT v, t, pg_catalog.lead(t) OVER (ORDER BY v) AS following"
        " FROM (SELECT {value} AS v, pg_catalog.ntile({parts}) OVER (ORDER BY {value}) AS t FROM {source}{where}) AS a"
        ") AS b WHERE t OPERATOR(pg_catalog.<>) coalesce(following, 0)"
        " AND pg_catalog.octet_length(pg_catalog.format('%s', v)) OPERATOR(pg_catalog.<=) {longest}"
    ).format(
        value=compared.value,
        parts=sql.Literal(parts),
        source=statement.source,
        where=_where(statement, compared),
        longest=sql.Literal(LONGEST),
    )
    return _Candidates(
        tuple((str(row[0]), 1.0) for row in leader.run(query)), "a look at all values, which read the whole once more"
    )


def _where(statement: Statement, compared: Comparison) -> sql.Composable:
    terms = (*statement.filters, compared.present())
    return sql.SQL(" WHERE {}").format(sql.SQL(" AND ").join(terms))


def _in_order(
    leader: Leader, compared: Comparison, source: sql.Composable, texts: Sequence[str]
) -> list[tuple[int, bool]]:
    """The positions of the texts in the order of the values that the server reads in them, and whether each is above
    the one before it: two texts may be one value.

    The column itself stands first, without a row: so the values are compared under its collation.
    """
    if not texts:
        return []
    values = sql.SQL(", ").join(
        sql.SQL("({}, {})").format(sql.Literal(index), compared.literal(text)) for index, text in enumerate(texts)
    )
    query = sql.SQL(
        "SELECT i, coalesce(v {above} before, true) FROM (SELECT i, v, pg_catalog.lag(v) OVER (ORDER BY v, i) AS before"
        " FROM (SELECT NULL::pg_catalog.int4, {value} FROM {source} WHERE false UNION ALL VALUES {values}) AS c(i, v)"
        ") AS s ORDER BY v, i"
    ).format(value=compared.value, source=source, values=values, above=compared.above)
    return [(int(index), bool(is_new)) for index, is_new in leader.run(query)]


def _even(weighed: Sequence[tuple[str, float]], parts: int) -> list[str]:
    """The values at which the next part begins, so that all have about as many rows."""
    whole = sum(weight for _, weight in weighed)
    bounds: list[str] = []
    below = 0.0
    for text, weight in weighed[:-1]:
        before, below = below, below + weight
        if int(below * parts / whole + ROUNDING) > int(before * parts / whole + ROUNDING):
            bounds.append(text)
    return bounds[: parts - 1]
