"""What the server says of a table's rows without reading their values: how many there are, and which versions of them.

The sum over ``(ctid, xmin)`` of a segment changes with every row that is inserted, updated, deleted or moved in it, and
does not depend on the order in which rows are read. No value is detoasted and no output function is called. Freezing
leaves ``xmin`` as it is (PostgreSQL 9.4 and later). VACUUM FULL and CLUSTER leave it too, and may put another row of
the same transaction into the place of one: so the number of the table's file, which they change, is in the sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from psycopg import sql

from polyglot_export.planning.plan import Plan, Scan
from polyglot_export.postgres.leader import Leader

__all__ = ["TID_HASH", "Fingerprint", "fingerprint", "fingerprints"]

TID_HASH = 140000
"""``server_version_num`` of the first version that hashes a ``tid``."""

_QUERY = sql.SQL(
    "SELECT count(*), coalesce(sum(hashtidextended(t.ctid, hash_array_extended(ARRAY[t.xmin], file.node))), 0)::text"
    " FROM ONLY {table} AS t"
    " CROSS JOIN (SELECT pg_relation_filenode({name}::regclass)::bigint AS node OFFSET 0) AS file"
    " WHERE t.ctid >= {first}::tid{below}"
)


class Fingerprint(NamedTuple):
    """Of one segment."""

    relation: str
    """The table or leaf, quoted and with its schema, as SQL names it."""
    first_page: int
    end_page: int | None
    """The first page that is not of it; ``None`` for all that follow."""
    rows: int
    sum: str
    """A whole number."""


def fingerprints(leader: Leader, plan: Plan) -> tuple[Fingerprint, ...] | None:
    """Those of all segments of a plan, taken in the leader's snapshot.

    Returns:
        ``None`` where the plan does not read heap pages in segments (a view, a query, an index), or the server cannot.

    Raises:
        PolyglotError: The server does not answer.
    """
    if leader.version < TID_HASH or not all(scan.pages is not None and scan.table for scan in plan.scans):
        return None
    ranges = [(scan.table, *each) for scan in plan.scans for each in _ranges(scan)]
    return tuple(fingerprint(leader, table, first, end) for table, first, end in ranges)


def fingerprint(leader: Leader, table: str, first_page: int, end_page: int | None) -> Fingerprint:
    """The fingerprint of a run of pages.

    Args:
        leader: In a transaction.
        table: Quoted and with its schema: from the catalogue, never from outside.
        first_page: Of the run.
        end_page: The first page behind it.

    Raises:
        PolyglotError: What the server says.
    """
    below = "" if end_page is None else f" AND t.ctid < '({int(end_page)},0)'::tid"
    query = _QUERY.format(
        table=sql.SQL(table), name=sql.Literal(table), first=sql.Literal(f"({first_page},0)"), below=sql.SQL(below)
    )
    [(rows, total)] = leader.catalogue(query)
    return Fingerprint(table, first_page, end_page, rows, total)


def _ranges(scan: Scan) -> Iterator[tuple[int, int | None]]:
    first, step = scan.first_page, scan.pages_per_segment
    for index in range(scan.segments):
        begin = first + index * step
        last = index == scan.segments - 1
        yield begin, (None if last and scan.open_end else min(begin + step, first + (scan.pages or 0)))
