"""Which columns tell the rows of a table apart."""

from __future__ import annotations

from psycopg import sql

from polyglot_export.postgres.catalogue.columns import is_never_null
from polyglot_export.postgres.leader import Leader

__all__ = ["unique_keys"]

_NONDETERMINISTIC = 120000
"""``server_version_num`` of the first version with collations under which different texts are equal."""


def unique_keys(leader: Leader, oid: int) -> tuple[frozenset[str], ...]:
    """Sets of columns of which no two rows have the same values, and no row a NULL.

    Those of unique indexes (PostgreSQL manual, "Unique Indexes"). An index under another collation or operator class
    than the order of the column may tell values apart that are equal there; such a one does not count. Of a table with
    children, which have indexes of their own, it tells about the table alone; of a partitioned one about all of it.

    Args:
        leader: In a transaction.
        oid: Of the table.

    Raises:
        PolyglotError: The server does not answer.
    """
    deterministic = (
        sql.SQL("coalesce(l.collisdeterministic, true)") if leader.version >= _NONDETERMINISTIC else sql.SQL("true")
    )
    # What stands behind the key columns (INCLUDE) has no operator class.
    rows = leader.catalogue(
        sql.SQL(
            "SELECT array_agg(a.attname::text) FROM pg_index AS i"
            " JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS m ON m.oid = c.relam"
            " CROSS JOIN generate_series(0, array_upper(i.indclass, 1)) AS k(position)"
            " LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.position]"
            " LEFT JOIN pg_collation AS l ON l.oid = a.attcollation"
            " JOIN pg_opclass AS o ON o.oid = i.indclass[k.position]"
            " WHERE i.indrelid = {oid} AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree'"
            " GROUP BY i.indexrelid HAVING bool_and(coalesce({filled}, false)"
            " AND (i.indcollation[k.position] = a.attcollation OR {deterministic})"
            " AND EXISTS (SELECT FROM pg_opclass AS d WHERE d.opcfamily = o.opcfamily"
            " AND d.opcintype = o.opcintype AND d.opcdefault)"
            # citext may have an index by the operators of text, which tells more values apart.
            " AND NOT EXISTS (SELECT FROM pg_opclass AS own JOIN pg_type AS t ON t.oid = a.atttypid"
            " WHERE own.opcmethod = o.opcmethod AND own.opcdefault AND own.opcfamily <> o.opcfamily"
            " AND own.opcintype IN (t.oid, t.typbasetype)))"
        ).format(oid=sql.Literal(oid), filled=is_never_null(leader.version), deterministic=deterministic)
    )
    return tuple(frozenset(names) for (names,) in rows)
