"""How the tables of a moment are stored: asked once for all, since a dump of small tables has little else to do.

What a snapshot sees was on disk before it was taken, and so is in what the server says afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from psycopg import sql

from polyglot_export.limits import PAGE_BYTES
from polyglot_export.postgres.catalogue.relations import oid_array
from polyglot_export.postgres.leader import Row

__all__ = ["Storage", "storage_of", "storage_query"]

MISSING_VALUES = 110000
"""``server_version_num`` of the first version that adds a column with a default without writing the rows anew."""


class Storage(NamedTuple):
    """Of one table, without those that inherit from it."""

    pages: int
    """The size now; ``relpages`` may be stale."""
    elsewhere: bool
    """It has values that are not on its pages, or is not stored the usual way."""
    defaults: Mapping[str, int]
    """Bytes of the values that the catalogue has, for rows that are older than their columns."""

    def has_large_values(self, columns: Sequence[str]) -> bool:
        """Whether a row of these columns may be larger than a page."""
        return self.elsewhere or sum(self.defaults.get(name, 0) for name in columns) > PAGE_BYTES


def storage_query(version: int, tables: Sequence[int]) -> sql.Composable:
    """Asks how tables are stored, in the export's transaction, with the locks held and the snapshot taken.

    Args:
        version: Of the server.
        tables: Their OIDs.
    """
    kept = sql.SQL("a.attmissingval::text" if version >= MISSING_VALUES else "''")
    return sql.SQL(
        "SELECT c.oid, pg_relation_size(c.oid) / current_setting('block_size')::bigint,"
        " am.amname IS DISTINCT FROM 'heap' OR coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0) > 0,"
        " ARRAY(SELECT a.attname::text FROM pg_attribute AS a WHERE a.attrelid = c.oid AND octet_length({kept}) > 0"
        " ORDER BY a.attnum),"
        " ARRAY(SELECT octet_length({kept}) FROM pg_attribute AS a WHERE a.attrelid = c.oid"
        " AND octet_length({kept}) > 0 ORDER BY a.attnum)"
        " FROM pg_class AS c LEFT JOIN pg_am AS am ON am.oid = c.relam WHERE c.oid = ANY ({tables}::oid[])"
    ).format(kept=kept, tables=oid_array(tables))


def storage_of(rows: Iterable[Row]) -> dict[int, Storage]:
    """The answer, by the OIDs of the tables."""
    return {
        oid: Storage(int(pages), bool(elsewhere), dict(zip(names, sizes, strict=True)))
        for oid, pages, elsewhere, names, sizes in rows
    }
