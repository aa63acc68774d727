"""One statement as several, each of a range of one column's values; their output follows one another in the order of
the column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from psycopg import sql

from polyglot_export.errors import SpecError
from polyglot_export.limits import MAX_SPLIT_PARTS, MAX_SPLIT_VALUES, PAGE_BYTES, SPLIT_SQL_BYTES
from polyglot_export.planning.choose import column_named
from polyglot_export.planning.locate import Located
from polyglot_export.planning.plan import Scan
from polyglot_export.planning.split.agreement import Examined, examine
from polyglot_export.planning.split.bounds import Bounds, find_bounds, find_values
from polyglot_export.planning.split.comparison import Comparison, comparison
from polyglot_export.planning.split.expression import with_expression
from polyglot_export.planning.split.first_rows import FirstRows, Order, find_first_rows, ordered_by
from polyglot_export.planning.split.nodes import nodes_of
from polyglot_export.planning.statement import Statement
from polyglot_export.postgres.explain import Explained, explain_statement
from polyglot_export.postgres.leader import Leader
from polyglot_export.request.sql_text import SqlText
from polyglot_export.sources.lexemes import Kind, lexemes

if TYPE_CHECKING:
    from polyglot_export.request.spec import ExportSpec

__all__ = ["Split", "split"]

DEAR = 1.5
"""How many times the cost of the whole all parts together may have, by the planner's estimate and what sending costs.
Where an index finds the rows of a part, or partitions are left out, the parts come to little more than the whole."""
NEGLIGIBLE = 5_000.0
"""What parts may cost more than the whole in any case, in the planner's units: reading some ten megabytes more."""
SENDING_COST = 0.01
"""Of a value, in the planner's units, which do not count it: what a row costs to be read by a scan (PostgreSQL's
``cpu_tuple_cost``), since printing and sending a value takes the server about as long (docs/performance.md)."""
MAX_DEAR_PARTS = 16
"""Parts that may each read all of it. More would make one export do to the server what a hundred do."""
_SAVEPOINT = "polyglot_bounds"
LEAST_ROW_BYTES = 16
"""Of a row, for the number of parts; the planner takes a row without columns for nothing."""


class Split(NamedTuple):
    """The scans, and what people should know of them."""

    scans: tuple[Scan, ...]
    """None where it is better read without parts."""
    notes: tuple[str, ...]
    remarks: tuple[str, ...] = ()


class _Wanted(NamedTuple):
    field: str
    compared: Comparison
    descending: bool
    parts: int | None
    """``None`` for as many as are good."""
    by_value: bool


def split(
    leader: Leader,
    found: Located,
    statement: Statement,
    explained: Explained,
    spec: ExportSpec,
    session: tuple[str, ...] = (),
) -> Split:
    """Cut a statement by the values of a column.

    Args:
        leader: In the export's transaction, with all locks held and the snapshot taken.
        found: What is read.
        statement: All of it.
        explained: The planner's answer for it.
        spec: Says by which column.
        session: ``SET LOCAL`` statements of the workers, a limit of time among them, for what the leader reads.

    Raises:
        SpecError: The column is unknown or has no order, or the expression is none; the parts of this query could
            disagree on which rows there are; there would be too many of them; a limit is of an order that is not
            complete.
        PolyglotError: What else the server says.
    """
    _refuse_inner_order(leader, found, spec)
    found, wanted = _wanted(leader, found, spec)
    order = None if spec.limit is None else ordered_by(leader, found, spec, wanted.field)
    statement = statement._replace(source=found.from_, limit=None)
    marked = _with_value(wanted, statement, wanted.compared.marked())
    examined = examine(leader, marked.select())
    if examined.reason is not None:
        raise SpecError(wanted.field, f"its parts might not agree on the rows: {examined.reason}")
    leader.run("; ".join([f"SAVEPOINT {_SAVEPOINT}", *session]))
    first_rows = _first_rows(leader, wanted, statement, spec, order)
    if first_rows is not None:
        statement, examined = _within(statement, examined, first_rows)
        bounds = _bounds(leader, found, wanted, _with_value(wanted, statement), explained, spec, examined)
    leader.run(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}; RELEASE SAVEPOINT {_SAVEPOINT}")
    if first_rows is None:
        return Split((), ("not split: nothing comes before the value that the limit ends at, or it is a long one",))
    if not bounds.values:
        return Split((), ("not split: there is too little to share, or one value alone",))
    return _in_parts(leader, found, wanted, statement, explained, bounds, first_rows, foreign=examined.foreign)


def _with_value(wanted: _Wanted, statement: Statement, *terms: sql.Composable) -> Statement:
    """With the value that rows are shared out by in front, and without an order."""
    expressions = (wanted.compared.value, *statement.expressions)
    return Statement(expressions, statement.source, (*statement.filters, *terms))


def _first_rows(
    leader: Leader, wanted: _Wanted, statement: Statement, spec: ExportSpec, order: Order | None
) -> FirstRows | None:
    if order is None or spec.limit is None:
        return FirstRows()
    return find_first_rows(leader, wanted.compared, statement, spec.limit, order)


def _within(statement: Statement, examined: Examined, first_rows: FirstRows) -> tuple[Statement, Examined]:
    """The rows that are shared out where there is a limit; the statistics, which a plan leads to, are of all rows."""
    if first_rows.term is None:
        return statement, examined
    return statement._replace(filters=(*statement.filters, first_rows.term)), examined._replace(nodes=())


def _wanted(leader: Leader, found: Located, spec: ExportSpec) -> tuple[Located, _Wanted]:
    """By what it is split, and what is read with that in it."""
    descending = bool(spec.order_by) and spec.order_by[0].direction == "desc"
    if spec.split_by is not None:
        column = column_named(spec.split_by.column, found.exposed, "splitBy.column")
        compared = comparison(leader, found, column, "splitBy")
        return found, _Wanted("splitBy", compared, descending, spec.split_by.parts, False)
    if spec.split_values is None:
        raise AssertionError("nothing says by which column")
    if isinstance(spec.split_values, SqlText):
        found, column = with_expression(leader, found, spec.split_values)
    else:
        column = column_named(spec.split_values, found.exposed, "splitValues")
    compared = comparison(leader, found, column, "splitValues")
    return found, _Wanted("splitValues", compared, descending, None, True)


def _refuse_inner_order(leader: Leader, found: Located, spec: ExportSpec) -> None:
    """Rows come in the order of the parts, and not in that which the query itself asks for."""
    if found.relation is not None or spec.order_by:
        return
    text = found.from_.as_string(leader.connection)
    words = [text[each.start : each.end] for each in lexemes(text) if each.kind is Kind.OTHER]
    # The query may stand in parentheses of its own.
    around = next(at for at, word in enumerate(words) if word != "(")
    depth = 0
    for word in words:
        depth += {"(": 1, ")": -1}.get(word, 0)
        if depth <= around and word.lower() == "order":
            field = "splitBy" if spec.split_by is not None else "splitValues"
            reason = "the query has an ORDER BY, which holds within its parts only; order the export by the column"
            raise SpecError(field, f"{reason} that it is split by (orderBy), and leave that of the query out")


def _bounds(
    leader: Leader,
    found: Located,
    wanted: _Wanted,
    statement: Statement,
    explained: Explained,
    spec: ExportSpec,
    examined: Examined,
) -> Bounds:
    if wanted.by_value:
        return find_values(leader, wanted.compared, statement, most=MAX_SPLIT_VALUES, field=wanted.field)
    parts = wanted.parts or _good_number(explained, spec)
    if parts < 2:
        return Bounds((), "")
    length = len(statement.select().as_string(leader.connection).encode())
    most = max(1, SPLIT_SQL_BYTES // max(1, length))
    if wanted.parts is not None and parts > most:
        reason = f"the statement has {length:,} bytes, so that there may be {most:,} of it (got {parts:,})"
        raise SpecError(wanted.field, reason)
    return find_bounds(
        leader,
        found,
        wanted.compared,
        statement,
        parts=min(parts, most),
        explained=explained,
        nodes=examined.nodes,
    )


def _good_number(explained: Explained, spec: ExportSpec) -> int:
    """Parts of the size of a segment, by what the planner expects; never by the number of workers."""
    size = explained.rows * max(LEAST_ROW_BYTES, int(explained.plan.get("Plan Width", 0)))
    return min(MAX_SPLIT_PARTS, -(-size // (spec.format.record.pages_per_segment * PAGE_BYTES)))


def _in_parts(
    leader: Leader,
    found: Located,
    wanted: _Wanted,
    statement: Statement,
    explained: Explained,
    bounds: Bounds,
    first_rows: FirstRows,
    *,
    foreign: bool,
) -> Split:
    values = bounds.values[:-1] if wanted.by_value and len(bounds.values) > 1 else bounds.values
    terms = wanted.compared.parts(values, nulls_apart=wanted.by_value)
    cost = _Cost.of(leader, statement, terms, explained)
    if cost.dear and not wanted.by_value and wanted.parts is None:
        return _too_dear(wanted, len(terms), cost)
    if cost.dear and len(terms) > MAX_DEAR_PARTS and not wanted.by_value:
        reason = (
            f"{len(terms):,} parts would cost the server {cost.times} what the whole does, and so many may be at most"
        )
        raise SpecError(wanted.field, f"{reason} {MAX_DEAR_PARTS}; {cost.advice}")
    terms = list(reversed(terms)) if wanted.descending else terms
    parts = _texts(leader, statement, terms)
    name = wanted.compared.column.name
    how = "value" if wanted.by_value else "range"
    notes = [f"{len(parts):,} parts, a {how} of {name!r} each; bounds from {bounds.source}", cost.text()]
    if first_rows.term is not None:
        notes.append(f"the limit is a bound of {name!r} as well, which was looked up")
    if first_rows.rest is not None:
        parts += _texts(leader, _of_the_rest(statement, first_rows), [first_rows.rest])
        notes.append("and one part more, of the last value up to the limit")
    scans = _scans(found, parts)
    remarks = []
    if cost.dear:
        remarks.append(
            f"the {len(scans):,} parts by {name!r} cost the server {cost.times} what the whole does; {cost.advice}"
        )
    if foreign:
        remarks.append("each part reads another moment of the foreign server: rows that change meanwhile may be twice")
        remarks[-1] += " in the file or not at all"
    return Split(scans, tuple(notes), tuple(remarks))


def _too_dear(wanted: _Wanted, parts: int, cost: _Cost) -> Split:
    name = wanted.compared.column.name
    reason = f"{parts:,} parts by {name!r} would cost the server {cost.times} what the whole does"
    remark = f"not split: {reason}; {cost.advice}, and with a number of parts it is split all the same"
    return Split((), (cost.text(),), (remark,))


def _of_the_rest(statement: Statement, first_rows: FirstRows) -> Statement:
    """The rows with the value that the limit ends at."""
    filters = tuple(term for term in statement.filters if term is not first_rows.term)
    return statement._replace(filters=filters, limit=first_rows.taken)


def _texts(leader: Leader, statement: Statement, terms: Sequence[sql.Composable]) -> list[tuple[str, str]]:
    """Of each part before the place where nothing is put, and after it; the first is one text for all of them."""
    head, tail = (part.as_string(leader.connection) for part in statement.copy_of_part())
    return [(head, term.as_string(leader.connection) + tail) for term in terms]


def _scans(found: Located, parts: Sequence[tuple[str, str]]) -> tuple[Scan, ...]:
    title = found.relation.title if found.relation is not None else "query"
    return tuple(
        Scan(head, tail, relation=f"{title}, part {number:,} of {len(parts):,}")
        for number, (head, tail) in enumerate(parts, 1)
    )


class _Cost(NamedTuple):
    """What the planner thinks of the parts."""

    part: float
    whole: float
    parts: int
    sending: float
    indexes: tuple[str, ...]

    @classmethod
    def of(cls, leader: Leader, statement: Statement, terms: list[sql.Composable], explained: Explained) -> _Cost:
        """By a part from the middle, which has rows on both sides."""
        middle = statement._replace(filters=(*statement.filters, terms[len(terms) // 2 - (len(terms) % 2 == 0)]))
        plan = explain_statement(leader, middle.select()).plan
        nodes = list(nodes_of(plan))
        indexes = dict.fromkeys(str(node.plan["Index Name"]) for node in nodes if "Index Cond" in node.plan)
        sending = SENDING_COST * explained.rows * len(statement.expressions)
        part, whole = float(plan["Total Cost"]), float(explained.plan["Total Cost"])
        return cls(part, whole, len(terms), sending, tuple(indexes))

    @property
    def ratio(self) -> float:
        """What all parts cost, as a share of what the whole does."""
        return (self.part * self.parts + self.sending) / max(1.0, self.whole + self.sending)

    @property
    def dear(self) -> bool:
        """Whether the parts together cost the server much more than the whole."""
        return self.ratio > DEAR and self.part * self.parts - self.whole > NEGLIGIBLE

    @property
    def times(self) -> str:
        """For people."""
        return f"{self.ratio:.1f} times"

    @property
    def advice(self) -> str:
        """What it comes from."""
        if self.indexes:
            return f"what is read beside {self.indexes[0]} is read for each of them"
        return "an index on the column, or partitions by it, makes them cheap"

    def text(self) -> str:
        """For people."""
        by = f", by the index {' and '.join(self.indexes)}" if self.indexes else ", without an index"
        return f"the planner's cost of a part is {self.part:,.0f}{by}, and that of the whole {self.whole:,.0f}"
