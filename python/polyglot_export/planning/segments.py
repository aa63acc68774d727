"""How the work is cut: TID ranges where a range of heap pages is exactly a part of the result, else the whole
statement.

A range ``ctid >= '(a,0)' AND ctid < '(b,0)'`` is a part of the result only where nothing stands between the heap and
the rows that the statement gives: not a view, not what only a partitioned parent says (a policy, a grant, an
expression, a label: they do not apply to a leaf that is read directly), not children of an inheritance parent (their
ctids overlap), not an index that finds few rows.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, NamedTuple

from psycopg import sql

from polyglot_export.formats.registry import Format
from polyglot_export.planning.locate import Located
from polyglot_export.planning.parent import parent_decides
from polyglot_export.planning.plan import Scan
from polyglot_export.planning.statement import Statement
from polyglot_export.planning.storage import Storage
from polyglot_export.postgres.catalogue.relations import Relation
from polyglot_export.postgres.explain import Explained
from polyglot_export.postgres.leader import Leader

if TYPE_CHECKING:
    from polyglot_export.planning.one_table import TableBelow

__all__ = ["Cut", "cut"]

TID_RANGE_SCAN = 140000
"""``server_version_num`` of the first version with TID range scans; before it, each range would read the whole
table."""
_MOVING = re.compile(
    r"\b(now|transaction_timestamp|statement_timestamp|clock_timestamp|timeofday|random|today|tomorrow|yesterday"
    r"|current_timestamp|current_date|current_time|localtimestamp|localtime)\b",
    re.IGNORECASE,
)
"""Words of a condition that are something else in each session or statement: whether a row is in would depend on the
worker that reads it. A text that reads so may be one of them too (``'now'::timestamptz``)."""


class Cut(NamedTuple):
    """The scans, and why they are as they are."""

    scans: tuple[Scan, ...]
    notes: tuple[str, ...]
    whole: bool = False
    """Workers plan the statement by themselves, as it is or with a predicate: the scans are of no pages or leaves."""
    below: TableBelow | None = None
    """The table of a view or a query, where its pages are read."""


class _Leaf(NamedTuple):
    identifier: str
    """The qualified name, quoted."""
    schema: str
    name: str
    heap: bool
    pages: int
    readable: bool
    """No policy is active on it, and the login may use its schema and read its ctid and the columns of the export."""

    def named(self, scan: Scan) -> Scan:
        """The scan with the leaf's name."""
        return scan._replace(relation=f"{self.schema}.{self.name}", leaf_schema=self.schema, leaf_name=self.name)


def cut(
    leader: Leader,
    found: Located,
    statement: Statement,
    explained: Explained,
    *,
    columns: AbstractSet[str],
    format_: Format,
    storage: Storage | None,
    locked: AbstractSet[int],
) -> Cut:
    """Cut a statement into scans.

    Args:
        leader: In the export's transaction, with the locks held.
        found: What is read.
        statement: The whole statement.
        explained: The planner's answer for it.
        columns: The names of all columns that it reads.
        format_: Tells how many pages make a segment.
        storage: Of a table that none inherits from.
        locked: The OIDs of the tables that the moment holds.
    """
    step = format_.record.pages_per_segment
    relation = found.relation
    reason = _cannot_be_cut(leader, relation, statement)
    if reason is not None:
        return _whole(leader, relation, statement, reason)
    if relation is None or relation.kind == "v":
        from polyglot_export.planning.one_table import table_below

        below = table_below(leader, found, statement, explained, pages_per_segment=step, locked=locked)
        if isinstance(below, str):
            return _whole(leader, relation, statement, f"a {_called(relation)} is read whole: {below}")
        return Cut((below.scan,), (f"read by ranges of pages of {below.scan.relation}",), below=below)
    scans = explained.scans()
    if scans is None:
        return _whole(leader, relation, statement, "the planner reads it in more than one step")
    if relation.kind == "r" and storage is not None:
        if not scans or not scans[0].sequential:
            return _whole(leader, relation, statement, "the planner finds the rows by an index")
        return _cut_table(leader, relation, statement, step, storage.pages)
    leaves = _leaves(leader, relation, [(scan.schema, scan.relation) for scan in scans], columns)
    if not all(leaf.readable for leaf in leaves.values()):
        return _whole(leader, relation, statement, "a partition has a policy, or the login may not read it directly")
    if not leaves:
        return _whole(leader, relation, statement, "no partition can hold rows of it")
    reason = parent_decides(leader, relation, columns)
    if reason is not None:
        return _whole(leader, relation, statement, reason)
    copy, ranges = (
        _around_source(leader, *statement.copy_from()),
        _around_source(leader, *statement.copy_of_range_from()),
    )
    parts = [
        _leaf_scan(copy, ranges, leaves[scan.schema, scan.relation], step, scan.sequential)
        for scan in scans
        if (scan.schema, scan.relation) in leaves
    ]
    return Cut(tuple(parts), (f"{len(parts)} partitions, in the planner's order",))


def _cannot_be_cut(leader: Leader, relation: Relation | None, statement: Statement) -> str | None:
    """Why the source as such is one segment; ``None`` where the planner's answer decides."""
    if relation is not None and relation.kind not in "rpv":
        return "only tables have ranges of pages"
    if statement.order:
        return "an order is made over all rows"
    if statement.limit is not None:
        return "a limit counts over all rows"
    if (moving := _MOVING.search(sql.Composed(statement.filters).as_string(leader.connection))) is not None:
        return f"{moving[1].lower()} in the filter is something else for each worker; a value is not"
    if leader.version < TID_RANGE_SCAN:
        return "the server is older than version 14, which cannot scan a range of pages"
    if relation is None or relation.kind == "v":
        return None
    if relation.policies:
        return "row-level security is active on it"
    if relation.kind == "r":
        if relation.has_children:
            return "other tables inherit from it"
        if relation.access_method != "heap":
            return f"its access method is {relation.access_method}, not heap"
        if not relation.select and not _may_read_ctid(leader, relation):
            return "the login may read some of its columns only"
    return None


def _called(relation: Relation | None) -> str:
    return "query" if relation is None else "view"


def _may_read_ctid(leader: Leader, relation: Relation) -> bool:
    rows = leader.catalogue(
        sql.SQL("SELECT has_column_privilege({}::oid, 'ctid', 'SELECT')").format(sql.Literal(relation.oid))
    )
    return bool(rows[0][0])


def _whole(leader: Leader, relation: Relation | None, statement: Statement, reason: str) -> Cut:
    before, after = statement.copy()
    title = relation.title if relation is not None else "query"
    scan = Scan(before.as_string(leader.connection), after.as_string(leader.connection), relation=title)
    return Cut((scan,), (f"one segment: {reason}",) if reason else (), whole=True)


def _cut_table(leader: Leader, relation: Relation, statement: Statement, step: int, pages: int) -> Cut:
    before, after = statement.copy_of_range()
    scan = Scan(
        before.as_string(leader.connection),
        after.as_string(leader.connection),
        pages,
        step,
        relation.title,
        relation.identifier.as_string(leader.connection),
    )
    notes = ("one segment: the table is too small to share",) if scan.segments == 1 else ()
    return Cut((scan,), notes)


class _AroundSource(NamedTuple):
    """A COPY without its source. A table may have thousands of leaves, and quoting all of it for each takes a second
    for every two thousand.
    """

    before: str
    between: str
    """What stands behind the source, up to the TID range if there is one."""
    after: str

    def of(self, leaf: _Leaf) -> tuple[str, str]:
        """Before and after the TID range."""
        return f"{self.before}{leaf.identifier} AS r{self.between}", self.after


def _around_source(leader: Leader, *parts: sql.Composable) -> _AroundSource:
    return _AroundSource(*(part.as_string(leader.connection) for part in parts))


def _leaf_scan(copy: _AroundSource, ranges: _AroundSource, leaf: _Leaf, step: int, sequential: bool) -> Scan:
    if leaf.heap and sequential:
        return leaf.named(Scan(*ranges.of(leaf), leaf.pages, step, table=leaf.identifier))
    return leaf.named(Scan(*copy.of(leaf)))


def _leaves(
    leader: Leader, parent: Relation, names: list[tuple[str, str]], columns: AbstractSet[str]
) -> dict[tuple[str, str], _Leaf]:
    """What the catalogue says about the leaves that the planner reads (schema and name → leaf).

    One that was attached after the snapshot was taken is left out: at the moment of the export it was another table.

    Policies are looked for on every ancestor up to the parent: none of them applies to a leaf that is read directly.
    """
    if not names:
        return {}
    wanted = sql.SQL(", ").join(sql.Literal(name) for name in sorted({*columns, "ctid"}))
    rows = leader.catalogue(
        sql.SQL(
            "WITH RECURSIVE tree(oid, guarded) AS ("
            " SELECT {parent}::oid, row_security_active({parent}::oid)"
            " UNION ALL SELECT i.inhrelid, tree.guarded OR row_security_active(i.inhrelid)"
            " FROM tree JOIN pg_inherits AS i ON i.inhparent = tree.oid),"
            " planned(nspname, relname) AS (SELECT * FROM unnest({schemas}::name[], {names}::name[]))"
            " SELECT planned.nspname, planned.relname, c.relkind = 'r' AND am.amname = 'heap',"
            " CASE WHEN c.relkind = 'r' THEN {pages} ELSE 0 END,"
            " NOT tree.guarded AND has_schema_privilege(n.oid, 'USAGE')"
            " AND (has_table_privilege(c.oid, 'SELECT') OR ("
            "SELECT bool_and(has_column_privilege(c.oid, a.attname, 'SELECT')) FROM pg_attribute AS a"
            " WHERE a.attrelid = c.oid AND a.attname IN ({wanted})))"
            " FROM planned JOIN pg_namespace AS n ON n.nspname = planned.nspname"
            " JOIN pg_class AS c ON c.relname = planned.relname AND c.relnamespace = n.oid"
            " JOIN tree ON tree.oid = c.oid LEFT JOIN pg_am AS am ON am.oid = c.relam"
        ).format(
            parent=sql.Literal(parent.oid),
            schemas=sql.Literal([schema for schema, _ in names]),
            names=sql.Literal([name for _, name in names]),
            pages=_pages(sql.SQL("c.oid")),
            wanted=wanted,
        )
    )
    return {
        (schema, name): _Leaf(
            f"{_quoted(schema)}.{_quoted(name)}", schema, name, bool(heap), int(pages), bool(readable)
        )
        for schema, name, heap, pages, readable in rows
    }


def _quoted(name: str) -> str:
    """As ``sql.Identifier`` does, which asks libpq for each."""
    return '"' + name.replace('"', '""') + '"'


def _pages(oid: sql.Composable) -> sql.Composable:
    """The size now, in pages; ``relpages`` may be stale."""
    return sql.SQL("pg_relation_size({}::oid) / current_setting('block_size')::bigint").format(oid)
