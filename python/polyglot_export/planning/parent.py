"""What a partitioned table says of its rows that its leaves, read one by one, would not say.

The server reads a query on a partitioned table with the table's own definitions; those of a leaf count only where the
leaf itself is named. Names, types, modifiers and collations of the columns must be the same in both, and what a leaf
stores (generated columns of the stored kind, the values of columns that were added with a default) is the same value by
either way. Rights and policies are looked at by ``segments``. What is left is here.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from psycopg import sql

from polyglot_export.postgres.catalogue.columns import VIRTUAL_COLUMNS
from polyglot_export.postgres.catalogue.relations import Relation
from polyglot_export.postgres.leader import Leader

__all__ = ["parent_decides"]

_TREE = sql.SQL(
    "WITH RECURSIVE tree(oid) AS (SELECT {}::oid"
    " UNION ALL SELECT i.inhrelid FROM tree JOIN pg_inherits AS i ON i.inhparent = tree.oid)"
)


def parent_decides(leader: Leader, relation: Relation, columns: AbstractSet[str]) -> str | None:
    """Why the leaves of a partitioned table must not be read by their own names; ``None`` where they may.

    Args:
        leader: In the export's transaction, with the locks held.
        relation: The partitioned table.
        columns: The names of all columns that the statement reads.
    """
    if _has_labels(leader, relation):
        return "a security label is on it or on a partition"
    if leader.version < VIRTUAL_COLUMNS:
        return None
    name = _computed_otherwise(leader, relation, columns)
    return None if name is None else f'a partition has another expression for the generated column "{name}"'


def _has_labels(leader: Leader, relation: Relation) -> bool:
    """Providers of labels hide rows or values by the relation that a statement names (a column that is masked, say)."""
    query = sql.SQL(
        "{} SELECT EXISTS (SELECT FROM pg_seclabel AS l JOIN tree ON tree.oid = l.objoid"
        " WHERE l.classoid = 'pg_class'::regclass)"
    )
    (row,) = leader.catalogue(query.format(_TREE.format(sql.Literal(relation.oid))))
    return bool(row[0])


def _computed_otherwise(leader: Leader, relation: Relation, columns: AbstractSet[str]) -> str | None:
    """A virtual generated column for which some relation of the tree has another expression than the table.

    Expressions are compared as SQL, in which columns have their names, since their numbers may differ; and as parsed,
    without those numbers, since SQL leaves out which function a cast calls.
    """
    if not columns:
        return None
    wanted = sql.SQL(", ").join(sql.Literal(name) for name in sorted(columns))
    expressions = sql.SQL(
        "SELECT a.attrelid, a.attname, pg_get_expr(d.adbin, d.adrelid) AS written,"
        " regexp_replace(d.adbin::text, ':(varattno|varattnosyn|location) -?[0-9]+', '', 'g') AS parsed"
        " FROM pg_attribute AS a JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
        " WHERE a.attgenerated = 'v' AND a.attname IN ({})"
    ).format(wanted)
    query = sql.SQL(
        "{tree}, own AS ({expressions} AND a.attrelid = {parent}::oid)"
        " SELECT own.attname FROM own WHERE EXISTS ("
        "SELECT FROM tree JOIN ({expressions}) AS other ON other.attrelid = tree.oid"
        " WHERE other.attname = own.attname AND (other.written, other.parsed) IS DISTINCT FROM"
        " (own.written, own.parsed)) ORDER BY 1 LIMIT 1"
    ).format(tree=_TREE.format(sql.Literal(relation.oid)), expressions=expressions, parent=sql.Literal(relation.oid))
    rows = leader.catalogue(query)
    return str(rows[0][0]) if rows else None
