"""The largest row that an export can meet, as far as the catalogue proves it.

A value that is not stored in its own page is in the relation's TOAST table (PostgreSQL manual, "TOAST"). Where that is
empty every row is within one page, and where all types have a length, the row has one too.
"""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from polyglot_export.limits import INLINE_ROW_BYTES, PAGE_BYTES
from polyglot_export.planning.storage import MISSING_VALUES, Storage
from polyglot_export.postgres.catalogue.columns import SourceColumn
from polyglot_export.postgres.catalogue.relations import Relation
from polyglot_export.postgres.catalogue.types import Type, Types
from polyglot_export.postgres.leader import Leader

__all__ = ["largest_row", "stored_once"]

FIXED_BYTES = 64
"""No value of a type of fixed length is longer, on the wire or as text (a name has 63 bytes)."""
CHARACTER_BYTES = 4
"""Bytes of a character in UTF-8, at most."""
_HEADER = 4
"""``VARHDRSZ``, which the modifier of varchar and bpchar has added to it (PostgreSQL's varchar.c)."""
_FIXED = frozenset(
    {
        "bool",
        "int2",
        "int4",
        "int8",
        "oid",
        "float4",
        "float8",
        "char",
        "name",
        "date",
        "time",
        "timetz",
        "timestamp",
        "timestamptz",
        "interval",
        "uuid",
        "money",
        "macaddr",
        "macaddr8",
    }
)
_CHARACTERS = frozenset({"varchar", "bpchar"})


def largest_row(
    leader: Leader,
    relation: Relation | None,
    columns: Iterable[SourceColumn],
    types: Types,
    storage: Storage | None = None,
) -> int | None:
    """Bytes of the largest row, or ``None`` where nothing bounds it but the row limit.

    Args:
        leader: In the export's transaction, with the snapshot taken: what it sees is on disk.
        relation: What is read; ``None`` for a query, which can make anything.
        columns: Those of the export.
        types: Their types.
        storage: Of a table that none inherits from.
    """
    bounds = [(column, _bound(*types.under(column.type, column.modifier))) for column in columns]
    fixed = sum(bound for _, bound in bounds if bound is not None)
    unbounded = [column for column, bound in bounds if bound is None]
    if not unbounded:
        return fixed
    if relation is None or relation.kind in "vf" or not stored_once(unbounded):
        return None
    names = sorted(column.name for column in unbounded)
    large = storage.has_large_values(names) if storage is not None else _has_large_values(leader, relation, names)
    if large:
        return None
    return fixed + INLINE_ROW_BYTES


def stored_once(columns: Iterable[SourceColumn]) -> bool:
    """Whether the pages hold all values of the columns, and no column is written more than once."""
    every = tuple(columns)
    return not any(column.computed for column in every) and len({column.name for column in every}) == len(every)


def _bound(type_: Type, modifier: int) -> int | None:
    """Bytes of the largest value of a type."""
    if type_.kind == "e":
        return FIXED_BYTES
    if type_.schema != "pg_catalog":
        return None
    if type_.name in _CHARACTERS and modifier >= _HEADER:
        return (modifier - _HEADER) * CHARACTER_BYTES
    return FIXED_BYTES if type_.name in _FIXED else None


def _has_large_values(leader: Leader, relation: Relation, columns: Iterable[str]) -> bool:
    """Whether the relation or one below it has values that are not on its pages: its TOAST table has a page, it is not
    stored the usual way, or the catalogue has large values of the columns, for rows that are older than these.
    """
    kept = sql.SQL("a.attmissingval::text" if leader.version >= MISSING_VALUES else "''")
    rows = leader.catalogue(
        sql.SQL(
            "WITH RECURSIVE tree(oid) AS (SELECT {oid}::oid UNION SELECT i.inhrelid FROM tree JOIN pg_inherits AS i ON "
            "i.inhparent = tree.oid)"
            " SELECT bool_or(c.relkind = 'f' OR (c.relkind <> 'p' AND am.amname IS DISTINCT FROM 'heap')"
            " OR coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0) > 0"
            " OR (SELECT coalesce(sum(octet_length({kept})), 0) FROM pg_attribute AS a WHERE a.attrelid = c.oid"
            " AND a.attname IN ({columns})) > {page})"
            " FROM tree JOIN pg_class AS c ON c.oid = tree.oid LEFT JOIN pg_am AS am ON am.oid = c.relam"
        ).format(
            oid=sql.Literal(relation.oid),
            columns=sql.SQL(", ").join(map(sql.Literal, columns)),
            kept=kept,
            page=sql.Literal(PAGE_BYTES),
        )
    )
    return rows[0][0] is not False
