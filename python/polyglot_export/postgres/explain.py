"""EXPLAIN of the whole statement: it takes the locks, checks rights and filters, and tells how rows would be found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from psycopg import sql

from polyglot_export import sqlstates
from polyglot_export.errors import StatementFailed
from polyglot_export.postgres.leader import Leader

__all__ = ["Explained", "ScanNode", "explain_statement"]

_SCANS = frozenset({"Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Foreign Scan"})


class ScanNode(NamedTuple):
    """One relation that the planner reads, in the order it would read them."""

    schema: str
    relation: str
    sequential: bool
    """A plain scan of the whole heap; anything else is a selective index or foreign."""


class Explained(NamedTuple):
    """The planner's answer."""

    plan: dict[str, Any]

    @property
    def rows(self) -> int:
        """How many rows the planner expects."""
        return int(self.plan.get("Plan Rows", 0))

    def scans(self) -> tuple[ScanNode, ...] | None:
        """The scans of a statement on one table, leaf by leaf.

        ``None`` where the plan is more than scans under an Append (a sort, a subquery, a parallel or custom node): then
        only the whole statement says what the rows are.
        """
        return _scans(self.plan)

    def locks_rows(self) -> bool:
        """SELECT … FOR UPDATE and its like, which write."""
        return any(node.get("Node Type") == "LockRows" for node in _walk(self.plan))


def explain_statement(leader: Leader, statement: sql.Composable) -> Explained:
    """Plan a statement without running it.

    Raises:
        PolyglotError: The server refuses it; ``sqlstate`` says why.
    """
    try:
        rows = leader.run(sql.SQL("EXPLAIN (VERBOSE, FORMAT JSON) {}").format(statement))
    except StatementFailed as error:
        if error.sqlstate == sqlstates.CHARACTER_NOT_IN_REPERTOIRE:
            error.hint = error.hint or "something that is read, such as a partition, has a name that is not UTF-8"
        raise
    return Explained(rows[0][0][0]["Plan"])


def _scans(node: dict[str, Any]) -> tuple[ScanNode, ...] | None:
    kind = node.get("Node Type")
    children = node.get("Plans", [])
    if kind in _SCANS:
        if kind != "Bitmap Heap Scan" and children:  # subplans of a policy, say
            return None
        if "Relation Name" not in node:
            return None
        return (ScanNode(node["Schema"], node["Relation Name"], kind == "Seq Scan"),)
    if kind == "Result" and not children:
        return ()
    if kind != "Append" or node.get("Subplans Removed"):
        return None
    found: list[ScanNode] = []
    for child in children:
        scans = _scans(child)
        if scans is None:
            return None
        found.extend(scans)
    return tuple(found)


def _walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _walk(child)
