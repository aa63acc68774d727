"""Whether several statements over one query give together what the query gives alone.

All of them read the same snapshot, so each sees the same rows of every table. Yet what a query makes of them may differ
from statement to statement: by a volatile function or the clock; by a LIMIT, a window or a DISTINCT ON over rows whose
order SQL leaves open; by a sum of floating-point numbers, which depends on the order of its terms. If such a thing
decides which rows there are, a row could be in two parts, or in none.

The server's own plan of a part tells. A marker stands in the place of the bound, and shows how deep the server lets the
predicate go. Below a node that looks at several rows (an aggregate, a window, a DISTINCT) it puts the predicate only
where that cannot change the result (PostgreSQL's allpaths.c, ``subquery_is_pushdown_safe`` and
``qual_is_pushdown_safe``): by the columns that the node groups by. Then each group is read by one statement alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple

from psycopg import sql

from polyglot_export.planning.expression_words import Cast, expression_words
from polyglot_export.planning.repeatable import MOVING_WORDS, moving_literal
from polyglot_export.planning.split.nodes import (
    NAME,
    Node,
    column_of,
    columns_in,
    names_called,
    nodes_of,
    without_literals,
    words_in,
)
from polyglot_export.postgres.catalogue.functions import Calls, Function, read_calls
from polyglot_export.postgres.catalogue.statistics import (
    ColumnName,
    exact_columns,
    summable_columns,
    text_columns,
)
from polyglot_export.postgres.explain import explain_statement
from polyglot_export.postgres.leader import FIRST_USER_OID, Leader

__all__ = ["MARKER", "Examined", "examine"]

MARKER: Final = "polyglot.split"
"""A setting that does not exist; ``current_setting`` of it stands in the place of the bound."""
_PLAIN_PLANS = (
    # min() by an index would show a LIMIT, a Gather partial aggregates, and a DISTINCT by sorting not its columns;
    # and the marker, which is NULL, would prune all partitions.
    "SET LOCAL enable_indexscan = 'off'; SET LOCAL enable_indexonlyscan = 'off'; SET LOCAL enable_sort = 'off'; "
    "SET LOCAL max_parallel_workers_per_gather = '0'; SET LOCAL enable_partition_pruning = 'off'"
)
PLAIN_COMPARISON = re.compile(rf"\((?:{NAME}\.)?(?:{NAME}) \S+ \(?\(?current_setting\('{re.escape(MARKER)}'")
"""Of a column with the marker, and nothing around the column."""
_SAVEPOINT = "polyglot_split"

_MOVING_WORDS = re.compile(rf"\b({'|'.join(sorted(MOVING_WORDS)).upper()})\b")
_OF_THE_SESSION = re.compile(
    r"now|(transaction|statement)_timestamp|pg_backend_pid|pg_stat_get_\w+|pg_current_(snapshot|xact_id\w*)|txid_\w+"
    r"|mxid_age|inet_client_(addr|port)|pg_my_temp_schema|pg_is_other_temp_schema|pg_cursor|pg_prepared_statement"
    r"|pg_listening_channels|pg_conf_load_time|pg_show_all_settings|pg_get_replication_slots|pg_tablespace_databases"
    r"|pg_relation_file(node|path)|pg_timezone_(names|abbrevs)|pg_event_trigger_\w+|pg_trigger_depth"
)
"""Functions of PostgreSQL that are stable within a statement, and tell of the clock, the session, the transaction or
the server's counters."""
_VIEWS = sql.SQL(
    "SELECT FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation"
    " WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND c.relkind = 'v' AND c.oid >= {} LIMIT 1"
).format(sql.Literal(FIRST_USER_OID))
"""Views of users that the statement may read: it holds locks on them."""
_AGE_OF_TRANSACTION = re.compile(r"\bage\([\w.\"]+\)")
"""With one argument that is a plain column ``age`` is that of a transaction; that of a time shows CURRENT_DATE."""
_TIME_TYPE = re.compile(r"date|time|tsrange|tstzrange|tsmultirange|tstzmultirange")
"""What the names of PostgreSQL's types of dates and times begin with, ranges of them included."""
_OPERATOR = re.compile(r"[-+*/<>=~!@#%^&|`?]+")
_HARMLESS = frozenset(("count", "bool_and", "bool_or", "every", "bit_and", "bit_or", "bit_xor"))
"""Aggregates that give the same in whatever order their rows come."""
_EXTREMES = frozenset(("min", "max"))
"""These do so where equal values are the same value: of 1.0 and 1.00 they keep the one that comes first."""
_EXTREME_OF_COLUMN = re.compile(rf"\b(?:min|max)\(({NAME}(?:\.{NAME})?)\)")
_SUMS = frozenset(("sum", "avg"))
"""These do so for numbers without a binary fraction."""
_UNION = re.compile(r"\bunion\b(?!\s+all\b)", re.IGNORECASE)
_LOOKING = {
    "WindowAgg": "a window function over rows whose order may be another one each time",
    "Unique": "a DISTINCT ON, which may keep other rows each time",
    "SetOp": "an INTERSECT or EXCEPT, which may keep other ones of equal rows each time",
    "Recursive Union": "a WITH RECURSIVE whose UNION may keep other ones of equal rows each time",
    "Group": "a GROUP BY or DISTINCT, whose groups may be called after other ones of equal values each time",
    "Aggregate": "an aggregate that may come to another result each time",
}
"""Nodes that look at several rows, and what is said of them where the parts do not have whole groups."""
_ADVICE = "a column that it groups by, or PARTITION BY, gives each group to one part"
_KNOWN_SCANS = frozenset(("ChunkAppend", "ConstraintAwareAppend", "DecompressChunk", "ColumnarScan"))
"""Custom scans of extensions that read rows and do nothing else."""
_PASSING = frozenset(
    (
        *("Append", "Merge Append", "Gather", "Gather Merge", "Sort", "Incremental Sort", "Result"),
        *("Nested Loop", "Hash Join", "Merge Join", "Hash", "Materialize", "Memoize"),
    )
)
"""Nodes that hand on what they are given; what they look at of it stands in them, as what it is …"""
_RENAMING = frozenset(("Subquery Scan", "Append", "Merge Append", "Result", "Gather"))
"""… and those that give it another name, above which only they themselves may stand."""


class Examined(NamedTuple):
    """What the plan of a part says."""

    reason: str | None
    """Why the parts might not agree; ``None`` where they do."""
    foreign: bool
    """It reads rows of other servers, of whose moment nothing is known."""
    nodes: tuple[Node, ...]


def examine(leader: Leader, statement: sql.Composable) -> Examined:
    """Look for what could be otherwise in each part.

    Args:
        leader: In the export's transaction, with all locks held.
        statement: A part, with a call of ``current_setting`` for :data:`MARKER` in the place of its bound.

    Raises:
        PolyglotError: The server does not plan it.
    """
    leader.run(f"SAVEPOINT {_SAVEPOINT}; {_PLAIN_PLANS}")
    plan = explain_statement(leader, statement).plan
    leader.run(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}; RELEASE SAVEPOINT {_SAVEPOINT}")
    nodes = tuple(nodes_of(plan))
    written = statement.as_string(leader.connection)
    words = words_in(written) if any(node.kind == "Values Scan" for node in nodes) else frozenset()
    named = {name for node in nodes for _, text in node.expressions() for _, name in names_called(text)}
    calls = read_calls(leader, named | words)
    reason = _in_values(leader, words, calls) or moving_literal(written) or _moving(nodes, calls)
    reason = reason or _sequence(leader, nodes) or _text_as_time(leader, nodes)
    reason = reason or _left_open(leader, _without_loops(nodes, written), calls)
    return Examined(reason, any(node.kind == "Foreign Scan" for node in nodes), nodes)


def _in_values(leader: Leader, words: AbstractSet[str], calls: Calls) -> str | None:
    """What may stand in a list of VALUES, whose expressions no plan shows: so whatever the query names is taken for a
    call, and a view, which may have the list, is not looked through.
    """
    if not words:
        return None
    for word in sorted(words):
        if word.lower() in MOVING_WORDS or any(_is_moving(function) for function in calls.named(None, word)):
            return f"its list of VALUES may have {word}(), which may answer something else each time"
    if leader.catalogue(_VIEWS):
        return "a view may have a list of VALUES, of which the server does not say what is in it"
    return None


def _is_moving(function: Function) -> bool:
    of_the_session = function.schema == "pg_catalog" and _OF_THE_SESSION.fullmatch(function.name) is not None
    return function.volatile or of_the_session


def _moving(nodes: Sequence[Node], calls: Calls) -> str | None:
    """What is something else in each session or statement."""
    for node in nodes:
        if node.kind == "Sample Scan":
            return "a TABLESAMPLE takes other rows each time"
        for _, text in node.expressions():
            plain = without_literals(text)
            if (word := _MOVING_WORDS.search(plain)) is not None:
                return f"{word[1].lower()} is something else for each of them; a value is not"
            if _AGE_OF_TRANSACTION.search(plain) is not None:
                return "age() of a transaction is something else for each of them"
            reason = _moving_call(text, calls) or _moving_operator(plain, calls)
            if reason is not None:
                return reason
    return None


def _sequence(leader: Leader, nodes: Sequence[Node]) -> str | None:
    """A sequence belongs to no snapshot."""
    scanned = {str(node.plan["Relation Name"]) for node in nodes if node.kind == "Seq Scan"}
    if not scanned:
        return None
    query = sql.SQL(
        "SELECT relname FROM pg_class WHERE relkind = 'S' AND relname = ANY ({}::name[]) ORDER BY 1 LIMIT 1"
    )
    rows = leader.catalogue(query.format(sql.Literal(sorted(scanned))))
    return f"{rows[0][0]} is a sequence, of which each of them may read another value" if rows else None


def _text_as_time(leader: Leader, nodes: Sequence[Node]) -> str | None:
    """A text of a row that becomes a date or a time: it may say ``now``."""
    casts = [
        (cast.type_name, column)
        for node in nodes
        for _, text in node.expressions()
        if "::" in text
        for cast in expression_words([text]).casts
        if cast.operand and _TIME_TYPE.match(cast.type)
        for column in _named_in(cast, nodes)
    ]
    texts = text_columns(leader, (column for _, column in casts if column is not None))
    return next(
        (
            f"a text of {column.relation}.{column.column} becomes {type_}: it may say now"
            for type_, column in casts
            if column in texts
        ),
        None,
    )


def _named_in(cast: Cast, nodes: Sequence[Node]) -> list[ColumnName | None]:
    operand = "".join(word if word in ".()" else f" {word}" for word in cast.operand).strip()
    found = columns_in(re.sub(r"\s*\.\s*", ".", operand), nodes)
    return [*found] or [column_of(cast.column, nodes) if cast.column is not None else None]


def _moving_call(text: str, calls: Calls) -> str | None:
    for schema, name in names_called(text):
        for function in calls.named(schema, name):
            if function.volatile:
                return f"{name}() is volatile and may answer something else each time"
            if _is_moving(function):
                return f"{name}() is something else for each of them; a value is not"
    return None


def _moving_operator(plain: str, calls: Calls) -> str | None:
    for symbol in _OPERATOR.findall(plain) if calls.operators else ():
        if symbol in calls.operators:
            return f"the function of an operator {symbol} is volatile and may answer something else each time"
    for type_ in calls.casts:
        if f"::{type_}" in plain:
            return f"a cast to {type_} has a volatile function, which may answer something else each time"
    return None


def _left_open(leader: Leader, nodes: Sequence[Node], calls: Calls) -> str | None:
    """What SQL leaves open: which rows come first, and in which order values are added."""
    marked = [node for node in nodes if node.mentions(MARKER)]
    for node in nodes:
        reason = _refused(node)
        if reason is None and node.kind in _LOOKING and not _has_whole_groups(leader, node, marked, nodes):
            reason = None if _is_harmless(leader, node, nodes, calls) else f"{_LOOKING[node.kind]}; {_ADVICE}"
        if reason is not None and not _only_a_value(node, nodes):
            return reason
    return None


def _without_loops(nodes: Sequence[Node], text: str) -> Sequence[Node]:
    """The nodes without those of WITH RECURSIVE by UNION ALL, which keeps all rows. The plan does not tell it from
    UNION, so that every UNION of the statement has to be one, and be in its own text.
    """
    loops = [node for node in nodes if node.kind == "Recursive Union"]
    if _UNION.search(text) is not None or len(re.findall(r"\bunion\b", text, re.IGNORECASE)) < len(loops):
        return nodes
    return [node for node in nodes if node.kind != "Recursive Union"]


def _refused(node: Node) -> str | None:
    if node.kind == "Limit":
        return "a LIMIT or OFFSET, which may leave other rows each time"
    if node.kind == "Custom Scan" and node.plan.get("Custom Plan Provider") not in _KNOWN_SCANS:
        return f"the custom scan {node.plan.get('Custom Plan Provider')}, of which nothing is known"
    if node.kind == "Foreign Scan":
        remote = without_literals(str(node.plan.get("Remote SQL", "")))
        grouped = str(node.plan.get("Relations", "")).startswith("Aggregate")
        if grouped or re.search(r"\b(LIMIT|OFFSET|FETCH)\b", remote):
            return "the other server groups or limits its rows, which may come otherwise each time"
    return None


def _has_whole_groups(leader: Leader, node: Node, marked: Sequence[Node], nodes: Sequence[Node]) -> bool:
    """Whether the server has put the predicate below the node, and none of it is left at the node or above it.

    It does so too where the predicate could tell values apart that the node takes for equal (as text, 0 and -0 differ).
    A comparison of the column itself does not, and nothing can where equal values are the same.
    """
    if any(each is node or any(each.plan is over.plan for over in node.above) for each in marked):
        return False
    below = [each for each in marked if any(over.plan is node.plan for over in each.above)]
    predicates = [text for each in below for _, text in each.expressions() if MARKER in text]
    others = [text for text in predicates if PLAIN_COMPARISON.search(text) is None]
    columns = [column for text in others for column in columns_in(text, nodes, under=node) or [None]]
    return bool(below) and _all_in(columns, lambda names: exact_columns(leader, names))


def _is_harmless(leader: Leader, node: Node, nodes: Sequence[Node], calls: Calls) -> bool:
    """Whether an aggregate comes to the same result whatever the order of its rows."""
    if node.kind not in ("Aggregate", "Group"):
        return False
    sums: list[ColumnName | None] = []
    extremes: list[ColumnName | None] = []
    for key, text in node.expressions():
        if key not in ("Output", "Filter"):
            continue
        for schema, name in names_called(text):
            if not any(function.aggregate for function in calls.named(schema, name)):
                continue
            if not any(function.schema == "pg_catalog" for function in calls.named(schema, name)):
                return False
            if name in _SUMS:
                sums += _summed(text, node, nodes)
            elif name in _EXTREMES:
                extremes += _compared(text, node, nodes)
            elif name not in _HARMLESS:
                return False
    keys = [column_of(text, nodes, under=node) for text in _group_keys(node.plan)]
    return _all_in(sums, lambda names: summable_columns(leader, names)) and _all_in(
        keys + extremes, lambda names: exact_columns(leader, names)
    )


def _compared(text: str, node: Node, nodes: Sequence[Node]) -> list[ColumnName | None]:
    """The columns whose least or greatest value is kept; ``None`` among them where it is that of an expression."""
    plain = without_literals(text)
    found = _EXTREME_OF_COLUMN.findall(plain)
    others = len(re.findall(r"\b(?:min|max)\(", plain)) - len(found)
    return [*(column_of(each, nodes, under=node) for each in found), *([None] if others else [])]


def _summed(text: str, node: Node, nodes: Sequence[Node]) -> list[ColumnName | None]:
    """The columns of a sum; ``None`` among them where something else is in it, which may have a binary fraction."""
    plain = without_literals(text)
    known = _SUMS | _EXTREMES | _HARMLESS | {"current_setting"}  # which is the marker's
    more = [name for _, name in names_called(text) if name.islower() and name not in known]
    if more or "double precision" in plain or "::real" in plain:
        return [None]
    return columns_in(text, nodes, under=node) or [None]


def _group_keys(plan: Mapping[str, Any]) -> list[str]:
    keys = list(plan.get("Group Key", ()))
    for each in plan.get("Grouping Sets", ()):
        for member in each.get("Group Keys", each.get("Hash Keys", ())):
            keys += member if isinstance(member, list) else [member]
    return keys


def _all_in(columns: Sequence[ColumnName | None], known: Any) -> bool:
    names = [column for column in columns if column is not None]
    if len(names) < len(columns):
        return False
    return not names or known(names) >= set(names)


def _only_a_value(node: Node, nodes: Sequence[Node]) -> bool:
    """Whether the node is in a sub-select whose value is written into a row, and decides nothing: a row then has one of
    the values that it may have, as it has where one statement reads all.
    """
    chain = (*node.above, node)
    inside = [each for each in chain if each.plan.get("Parent Relationship") == "SubPlan"]
    if not inside or "Subplan Name" not in inside[0].plan:
        return False
    name = re.compile(rf"\b{re.escape(str(inside[0].plan['Subplan Name']))}\b")
    for each in nodes:
        keys = {key for key, text in each.expressions() if name.search(text)}
        if keys - {"Output"}:
            return False
        if keys and not all(_hands_on(over) for over in each.above):
            return False
    return True


def _hands_on(node: Node) -> bool:
    if "Filter" in node.plan:
        return False
    return node.kind in _PASSING or (
        node.kind == "Subquery Scan"
        and all(over.kind in _RENAMING and "Filter" not in over.plan for over in node.above)
    )
