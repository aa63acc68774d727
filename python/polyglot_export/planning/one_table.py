"""A view or a query that reads one plain table is read by ranges of that table's pages.

The statement of a range is the caller's own text, or the definition of the view as the server prints it, with the
table's full name and a condition on ``ctid`` in it. That nothing else differs is not concluded from the text: the
server plans both, and they must be the same scan of the same table, with the same expressions and the same filter in
the same words, but for the range. Then each row of the table is in exactly one range and makes what it makes of the
whole, provided that the expressions are the same for every session (``planning/repeatable.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Any, NamedTuple

from psycopg import sql

from polyglot_export import sqlstates
from polyglot_export.errors import PolyglotError
from polyglot_export.planning.locate import Located
from polyglot_export.planning.one_select import one_select
from polyglot_export.planning.plan import Scan
from polyglot_export.planning.repeatable import moving_expression, moving_literal
from polyglot_export.planning.statement import Statement
from polyglot_export.postgres.explain import Explained, explain_statement
from polyglot_export.postgres.leader import FIRST_USER_OID, Leader
from polyglot_export.postgres.names import is_text
from polyglot_export.sources.query import trim

__all__ = ["TableBelow", "table_below"]

VIEWS = 8
"""Views that are looked through, one below the other."""
_PLACE = "\0"
"""Stands where the range goes, while the statement is put together. PostgreSQL has it in no text."""
_PROBE = (0, 1000)
"""The pages of the range with which the statement is tried."""
_CONDITION = (
    "ctid OPERATOR(pg_catalog.>=) '({},0)'::pg_catalog.tid AND ctid OPERATOR(pg_catalog.<) '({},0)'::pg_catalog.tid"
).format(*_PROBE)
_RANGE = re.compile(
    r"\(\((?P<table>.+)\.ctid >= '\({},0\)'::tid\) AND \((?P=table)\.ctid < '\({},0\)'::tid\)\)".format(*_PROBE)
)
_WHOLE_ROW = re.compile(r"\bROW\(")
_EQUAL_UNWRITTEN = re.compile(r"\bnullif\s*\(|\bis\s+(?:not\s+)?distinct\b|\bcase\s++(?!when\b)", re.IGNORECASE)
_REFUSED = (
    sqlstates.SYNTAX_OR_ACCESS_CLASS,
    sqlstates.DATA_EXCEPTION_CLASS,
    sqlstates.FEATURE_NOT_SUPPORTED,
)
"""What the server says of a statement that means nothing, or may not be run."""
_ONE_BY_ONE = "SET LOCAL max_parallel_workers_per_gather = 0"
_BY_RANGE = "; ".join(
    f"SET LOCAL enable_{way} = off" for way in ("seqscan", "indexscan", "indexonlyscan", "bitmapscan")
)
_OTHERWISE = "a range of its table cannot be read in the same way"


class TableBelow(NamedTuple):
    """The one table that a view or a query reads."""

    scan: Scan
    identifier: sql.Identifier
    """The qualified name, quoted."""
    lockable: bool
    """Whether the login may lock it by name."""


class _Table(NamedTuple):
    oid: int
    identifier: sql.Identifier
    title: str
    pages: int
    readable: bool
    """The login may read all of it."""
    columns: Mapping[str, str]
    """Their types, by their names."""


class _Named(NamedTuple):
    oid: int
    definition: str
    """Of a view; empty for anything else."""


class _Rebuilt(NamedTuple):
    text: str
    definitions: tuple[str, ...] = ()
    """Of the views that it is put together of."""


class _Other(Exception):
    """Why a statement is read whole."""


def table_below(
    leader: Leader,
    found: Located,
    statement: Statement,
    explained: Explained,
    *,
    pages_per_segment: int,
    locked: AbstractSet[int],
) -> TableBelow | str:
    """The scan of the table in segments, or why the statement is read whole.

    Args:
        leader: In the export's transaction, with the locks held and the snapshot taken.
        found: A view or a query.
        statement: The whole statement.
        explained: The planner's answer for it.
        pages_per_segment: Of the format.
        locked: The OIDs of the tables that the moment holds.

    Raises:
        PolyglotError: The server does not answer.
    """
    try:
        table = _table(leader, _scan_of(explained, "Seq Scan", gathered=True))
        if table.oid not in locked:
            return "the table below it is not held"
        if table.pages <= pages_per_segment:
            return f"{table.title}, which it reads, is too small to share"
        with _undone(leader):
            source = _rebuilt(leader, found, table)
            rebuilt = statement._replace(source=found.source_of(source.text))
            text = rebuilt.select().as_string(leader.connection)
            expressions = _same_expressions(leader, statement, sql.SQL(text.replace(_PLACE, _CONDITION)))
        _see_same_meaning(leader, source.definitions, expressions)
    except _Other as reason:
        return str(reason)
    moving = moving_literal(text) or moving_expression(leader, expressions, table.oid, table.columns)
    if moving is not None:
        return moving
    copy = "".join(part.as_string(leader.connection) for part in rebuilt.copy())
    before, _, after = copy.partition(_PLACE)
    scan = Scan(before, after, table.pages, pages_per_segment, table.title)
    return TableBelow(scan, table.identifier, table.readable)


def _scan_of(explained: Explained, kind: str, *, gathered: bool = False) -> dict[str, Any]:
    """The one scan that a statement is.

    Raises:
        _Other: It is something else.
    """
    node = explained.plan
    below = node.get("Plans", [])
    if gathered and node.get("Node Type") == "Gather" and len(below) == 1:
        # The server would share it among workers of its own.
        node = below[0]
    if node.get("Node Type") != kind or "Plans" in node or "Relation Name" not in node:
        raise _Other("it is more than the scan of one table")
    return node


def _table(leader: Leader, node: Mapping[str, Any]) -> _Table:
    """What the catalogue says of the table.

    Raises:
        _Other: It is none of users, or not a plain one.
    """
    schema, name = node["Schema"], node["Relation Name"]
    rows = leader.catalogue(
        sql.SQL(
            "SELECT c.oid, pg_relation_size(c.oid) / current_setting('block_size')::bigint,"
            " has_table_privilege(c.oid, 'SELECT'), ARRAY(SELECT ARRAY[a.attname, format_type(a.atttypid, a.atttypmod)]"
            " FROM pg_attribute AS a WHERE a.attrelid = c.oid AND NOT a.attisdropped)"
            " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_am AS am ON am.oid = c.relam"
            " WHERE n.nspname = {} AND c.relname = {} AND c.relkind = 'r' AND am.amname = 'heap' AND c.oid >= {}"
            " AND NOT c.relhassubclass AND NOT row_security_active(c.oid)"
        ).format(sql.Literal(schema), sql.Literal(name), sql.Literal(FIRST_USER_OID))
    )
    if not rows:
        raise _Other(f"{schema}.{name}, which it reads, is not a plain table")
    oid, pages, readable, columns = rows[0]
    return _Table(oid, sql.Identifier(schema, name), f"{schema}.{name}", int(pages), bool(readable), dict(columns))


@contextmanager
def _undone(leader: Leader) -> Iterator[None]:
    """Settings are tried, and statements that the server may refuse.

    Raises:
        _Other: It refuses one.
    """
    leader.run(f"SAVEPOINT one_table; {_ONE_BY_ONE}")
    try:
        yield
    except PolyglotError as error:
        if not (error.sqlstate or "").startswith(_REFUSED):
            raise
        _undo(leader)
        raise _Other(_OTHERWISE) from None
    except _Other:
        _undo(leader)
        raise
    _undo(leader)


def _undo(leader: Leader) -> None:
    leader.run("ROLLBACK TO SAVEPOINT one_table; RELEASE SAVEPOINT one_table")


def _rebuilt(leader: Leader, found: Located, table: _Table) -> _Rebuilt:
    """The text whose rows are read, with the table's own name and the place of the range in it.

    Raises:
        _Other: It is not a SELECT on one table, directly or by way of views.
    """
    if found.query is not None:
        return _of_pages(leader, found.query.text, table, VIEWS)
    if found.relation is None or found.condition is not None or found.masked:
        raise _Other("its masks or its condition may be about the row as a whole, which is of its own type")
    view = _named(leader, found.relation.identifier.as_string(leader.connection))
    text, definitions = _of_pages(leader, view.definition, table, VIEWS)
    return _Rebuilt(text, (view.definition, *definitions))


def _of_pages(leader: Leader, text: str, table: _Table, views: int) -> _Rebuilt:
    select = one_select(text)
    if select is None:
        raise _Other("it is more than SELECT … FROM one table WHERE …")
    named = _named(leader, select.name)
    if named.definition and views:
        below = _of_pages(leader, named.definition, table, views - 1)
        return _Rebuilt(select.of_rows(below.text), (named.definition, *below.definitions))
    if named.oid != table.oid:
        raise _Other(_OTHERWISE)
    return _Rebuilt(select.of_pages(table.identifier.as_string(leader.connection), _PLACE))


def _named(leader: Leader, name: str) -> _Named:
    """What a name stands for; a view is printed by the search path under which workers read: what the path does not
    find is written with its schema.

    Raises:
        _Other: It is nothing, or a view that is a security barrier or not written in UTF-8.
    """
    rows = leader.run(
        sql.SQL(
            "SELECT c.oid, c.reloptions,"
            " CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'v' THEN pg_catalog.pg_get_viewdef(c.oid) ELSE '' END"
            " FROM pg_catalog.pg_class AS c WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({})"
        ).format(sql.Literal(name))
    )
    if not rows:
        raise _Other(_OTHERWISE)
    oid, options, definition = rows[0]
    if not is_text(definition) or any(option.startswith("security_barrier=") for option in options or ()):
        raise _Other("a view in it is a security barrier, or not written in UTF-8")
    return _Named(oid, trim(definition))


def _see_same_meaning(leader: Leader, definitions: Sequence[str], expressions: Sequence[str]) -> None:
    """See that what a plan does not show is the same where the definition of a view stands in the place of the view.

    A row of the view as a whole has the view's type, with its names of columns and its functions; one of the definition
    is a record. And ``=`` is called without being written by NULLIF, IS DISTINCT FROM and CASE with an operand: the
    view keeps the operator that it was made with, and its definition gets that of the search path.

    Raises:
        _Other: It may be another one.
    """
    if definitions and any(_WHOLE_ROW.search(expression) for expression in expressions):
        raise _Other("rows of a view are used in it as a whole, which are of the view's type")
    if not any(_EQUAL_UNWRITTEN.search(definition) for definition in definitions):
        return
    of_users = sql.SQL("SELECT EXISTS (SELECT FROM pg_operator WHERE oprname = '=' AND oid >= {})")
    ((others,),) = leader.catalogue(of_users.format(sql.Literal(FIRST_USER_OID)))
    if others:
        raise _Other("a view in it compares without a written =, of which there are several in this database")


def _same_expressions(leader: Leader, statement: Statement, part: sql.Composable) -> list[str]:
    """The expressions of a statement, and of the one that reads a part of the pages.

    Raises:
        _Other: The two are not the same, but for the range.
    """
    whole = _scan_of(explain_statement(leader, statement.select()), "Seq Scan")
    leader.run(_BY_RANGE)
    ranged = _scan_of(explain_statement(leader, part), "Tid Range Scan")
    if any(whole.get(key) != ranged.get(key) for key in ("Schema", "Relation Name", "Alias", "Output", "Filter")):
        raise _Other(_OTHERWISE)
    if _RANGE.fullmatch(ranged.get("TID Cond", "")) is None:
        raise _Other(_OTHERWISE)
    columns = [leader.describe(each.as_string(leader.connection)) for each in (statement.select(), part)]
    if columns[0] != columns[1]:
        raise _Other(_OTHERWISE)
    return [*whole.get("Output", []), *([whole["Filter"]] if "Filter" in whole else [])]
