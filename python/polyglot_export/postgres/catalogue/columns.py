"""The columns of a relation, from the catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from psycopg import sql

from polyglot_export.postgres.catalogue.relations import oid_array
from polyglot_export.postgres.leader import Leader, Row
from polyglot_export.postgres.names import shown

__all__ = [
    "VIRTUAL_COLUMNS",
    "SourceColumn",
    "columns_of",
    "columns_query",
    "is_never_null",
    "never_null",
    "primary_keys",
    "relation_columns",
]

VIRTUAL_COLUMNS = 180000
"""``server_version_num`` of the first version whose generated columns may be computed as they are read."""
NOT_VALID = 180000
"""That of the first version that may declare a column NOT NULL whose rows nobody has checked."""


def relation_columns(leader: Leader, oids: Iterable[int]) -> dict[int, tuple[SourceColumn, ...]]:
    """All columns of relations in their order: dropped ones left out, generated ones kept."""
    every = list(oids)
    return columns_of(every, leader.catalogue(columns_query(leader.version, every)))


def columns_query(version: int, oids: Iterable[int]) -> sql.Composable:
    """The question of :func:`relation_columns`, for a version of the server."""
    virtual = version >= VIRTUAL_COLUMNS
    return sql.SQL(
        "SELECT attrelid, attname, atttypid, atttypmod, format_type(atttypid, atttypmod),"
        " has_column_privilege(attrelid, attnum, 'SELECT'), {} FROM pg_attribute"
        " WHERE attrelid = ANY ({}::oid[]) AND attnum > 0 AND NOT attisdropped ORDER BY attrelid, attnum"
    ).format(sql.SQL("attgenerated = 'v'" if virtual else "false"), oid_array(oids))


def columns_of(oids: Iterable[int], rows: Iterable[Row]) -> dict[int, tuple[SourceColumn, ...]]:
    """The answer to it."""
    found: dict[int, list[SourceColumn]] = {oid: [] for oid in oids}
    for oid, name, type_, modifier, display, readable, computed in rows:
        reference = sql.SQL("r.{}").format(sql.Identifier(name))
        found[oid].append(SourceColumn(name, reference, type_, modifier, shown(display), readable, computed))
    return {oid: tuple(columns) for oid, columns in found.items()}


def primary_keys(leader: Leader, oids: Iterable[int]) -> dict[int, list[str]]:
    """The columns of the primary key of each table in its order; empty where there is none."""
    found: dict[int, list[str]] = {oid: [] for oid in oids}
    rows = leader.catalogue(
        sql.SQL(
            "SELECT c.conrelid, a.attname FROM pg_constraint AS c,"
            " unnest(c.conkey) WITH ORDINALITY AS k(attnum, position)"
            " JOIN pg_attribute AS a ON a.attnum = k.attnum"
            " WHERE c.conrelid = ANY ({}::oid[]) AND c.contype = 'p' AND a.attrelid = c.conrelid"
            " ORDER BY c.conrelid, k.position"
        ).format(oid_array(found))
    )
    for oid, name in rows:
        found[oid].append(name)
    return found


def is_never_null(version: int) -> sql.SQL:
    """That no row has a NULL in a column, of ``pg_attribute AS a``: it is declared so, and the rows that were there
    before have been checked (PostgreSQL manual, ALTER TABLE, "NOT VALID").
    """
    if version < NOT_VALID:
        return sql.SQL("a.attnotnull")
    return sql.SQL(
        "(a.attnotnull AND NOT EXISTS (SELECT FROM pg_constraint AS unchecked WHERE unchecked.conrelid = a.attrelid"
        " AND unchecked.contype = 'n' AND unchecked.conkey = ARRAY[a.attnum] AND NOT unchecked.convalidated))"
    )


def never_null(leader: Leader, oids: Iterable[int]) -> dict[int, frozenset[str]]:
    """The columns of each table that a constraint keeps from being NULL."""
    found: dict[int, set[str]] = {oid: set() for oid in oids}
    query = sql.SQL(
        "SELECT a.attrelid, a.attname FROM pg_attribute AS a WHERE a.attrelid = ANY ({}::oid[]) AND a.attnum > 0 AND {}"
    )
    rows = leader.catalogue(query.format(oid_array(found), is_never_null(leader.version)))
    for oid, name in rows:
        found[oid].add(name)
    return {oid: frozenset(names) for oid, names in found.items()}


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
