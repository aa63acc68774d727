"""The columns of a relation, from the catalogue."""

from __future__ import annotations

from typing import NamedTuple

from psycopg import sql

from polyglot_export.postgres.catalogue.relations import Relation
from polyglot_export.postgres.leader import Leader
from polyglot_export.postgres.names import shown

__all__ = ["VIRTUAL_COLUMNS", "SourceColumn", "primary_key", "relation_columns"]

VIRTUAL_COLUMNS = 180000
"""``server_version_num`` of the first version whose generated columns may be computed as they are read."""


def relation_columns(leader: Leader, relation: Relation) -> tuple[SourceColumn, ...]:
    """All columns in their order: dropped ones left out, generated ones kept."""
    virtual = leader.version >= VIRTUAL_COLUMNS
    rows = leader.catalogue(
        sql.SQL(
            "SELECT attname, atttypid, atttypmod, format_type(atttypid, atttypmod),"
            " has_column_privilege({0}::oid, attnum, 'SELECT'), {1} FROM pg_attribute"
            " WHERE attrelid = {0} AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        ).format(sql.Literal(relation.oid), sql.SQL("attgenerated = 'v'" if virtual else "false"))
    )
    return tuple(
        SourceColumn(
            name, sql.SQL("r.{}").format(sql.Identifier(name)), type_, modifier, shown(display), readable, computed
        )
        for name, type_, modifier, display, readable, computed in rows
    )


def primary_key(leader: Leader, relation: Relation) -> list[str]:
    """The columns of the primary key in its order; empty where there is none."""
    rows = leader.catalogue(
        sql.SQL(
            "SELECT a.attname FROM pg_constraint AS c, unnest(c.conkey) WITH ORDINALITY AS k(attnum, position)"
            " JOIN pg_attribute AS a ON a.attnum = k.attnum"
            " WHERE c.conrelid = {} AND c.contype = 'p' AND a.attrelid = c.conrelid ORDER BY k.position"
        ).format(sql.Literal(relation.oid))
    )
    return [row[0] for row in rows]


class SourceColumn(NamedTuple):
    """A column of the table or query."""

    name: str
    reference: sql.Composable
    """How generated SQL names it: ``r."name"``, or ``q.c1`` where names may repeat."""
    type: int
    modifier: int
    display: str
    """The type as PostgreSQL prints it."""
    readable: bool = True
    """The login may read it. For a query that is known only by EXPLAIN."""
    computed: bool = False
    """It is a virtual generated column: no page holds its values."""
