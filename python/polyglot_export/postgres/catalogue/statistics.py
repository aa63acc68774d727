"""What ANALYZE has found out about a column, as far as the login may see it, and how its values may be told apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from psycopg import sql

from polyglot_export.postgres.leader import Leader

__all__ = ["ColumnName", "Spread", "exact_columns", "read_spread", "summable_columns", "text_columns"]

MOST_VALUES = 1000
"""Of a histogram, and of the most common values. The server keeps a hundred of each where nobody has asked for more."""
_NONDETERMINISTIC = 120000
"""``server_version_num`` of the first version with collations under which different texts are equal."""


class ColumnName(NamedTuple):
    """A column of a relation."""

    schema: str
    relation: str
    column: str


class Spread(NamedTuple):
    """How the values of a column are spread."""

    type: int
    rows: float
    """Of the table, as the catalogue has them; not positive where nobody has counted."""
    common: tuple[tuple[str, float], ...]
    """The most common values as text, each with the share of all rows that has it."""
    histogram: tuple[str, ...]
    """Values between which there are equally many of the other ones."""
    rest: float
    """The share of the rows that have none of the common values, and are not NULL."""


def read_spread(leader: Leader, name: ColumnName) -> Spread | None:
    """The statistics of a column; of a partition those of its table, which has the rows of all partitions.

    ``pg_stats`` shows no column that the login may not read, and none of a table whose policies are active for it.

    Returns:
        ``None`` where there are none, or the login may not see them.

    Raises:
        PolyglotError: The server does not answer.
    """
    rows = leader.catalogue(
        sql.SQL(
            "WITH RECURSIVE up(oid, depth) AS (SELECT c.oid, 0 FROM pg_class AS c"
            " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = {schema} AND c.relname = {relation}"
            " UNION ALL SELECT i.inhparent, up.depth + 1 FROM up JOIN pg_inherits AS i ON i.inhrelid = up.oid)"
            " SELECT a.atttypid, c.reltuples, 1 - s.null_frac,"
            " (s.most_common_vals::text::text[])[1:{most}], s.most_common_freqs[1:{most}],"
            " ARRAY(SELECT h.value FROM unnest(s.histogram_bounds::text::text[]) WITH ORDINALITY AS h(value, position)"
            " WHERE (h.position - 1) % (1 + cardinality(s.histogram_bounds::text::text[]) / {most}) = 0"
            " ORDER BY h.position)"
            " FROM up JOIN pg_class AS c ON c.oid = up.oid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
            " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = {column} AND NOT a.attisdropped"
            " JOIN pg_stats AS s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname"
            " ORDER BY up.depth DESC, s.inherited DESC LIMIT 1"
        ).format(
            schema=sql.Literal(name.schema),
            relation=sql.Literal(name.relation),
            column=sql.Literal(name.column),
            most=sql.Literal(MOST_VALUES),
        )
    )
    if not rows:
        return None
    type_, tuples, filled, values, shares, histogram = rows[0]
    common = tuple(zip(values or (), shares or (), strict=True))
    return Spread(type_, tuples, common, tuple(histogram or ()), max(0.0, filled - sum(share for _, share in common)))


_EXACT = "bool int2 int4 int8 oid date time timestamp timestamptz uuid text varchar char name bytea macaddr macaddr8"
"""Types whose equal values are the same value: a double has 0 and -0, an interval a day and 24 hours."""
_EXACT_OF_A_LENGTH = "numeric bpchar"
"""Types of which that is so where the column says how long its values are: 1.0 and 1.00, a text with and without the
blanks behind it."""
_SUMMED = "int2 int4 int8 numeric money"
"""Types whose sum does not depend on the order in which it is made."""


def exact_columns(leader: Leader, names: Iterable[ColumnName]) -> frozenset[ColumnName]:
    """Those whose equal values are the same value, so that a group has one name for all of its rows."""
    deterministic = (
        sql.SQL("coalesce(l.collisdeterministic, true)") if leader.version >= _NONDETERMINISTIC else sql.SQL("true")
    )
    condition = sql.SQL(
        "{deterministic} AND (t.typtype = 'e' OR (t.typnamespace = 'pg_catalog'::regnamespace"
        " AND (t.typname IN ({types}) OR (t.typname IN ({of_a_length}) AND a.atttypmod >= 0))))"
    ).format(deterministic=deterministic, types=_listed(_EXACT), of_a_length=_listed(_EXACT_OF_A_LENGTH))
    return _columns(leader, names, condition)


def summable_columns(leader: Leader, names: Iterable[ColumnName]) -> frozenset[ColumnName]:
    """Those whose sum is the same in whatever order their values are added."""
    condition = sql.SQL("t.typnamespace = 'pg_catalog'::regnamespace AND t.typname IN ({})").format(_listed(_SUMMED))
    return _columns(leader, names, condition)


def text_columns(leader: Leader, names: Iterable[ColumnName]) -> frozenset[ColumnName]:
    """Those that hold text, or what has texts in it: neither numbers nor times."""
    return _columns(leader, names, sql.SQL("t.typcategory NOT IN ('B', 'D', 'N', 'T', 'I')"))


def _listed(words: str) -> sql.Composable:
    return sql.SQL(", ").join(sql.Literal(word) for word in words.split())


def _columns(leader: Leader, names: Iterable[ColumnName], condition: sql.Composable) -> frozenset[ColumnName]:
    """Those of the columns for whose attribute, type and collation (``a``, ``t``, ``l``) a condition holds."""
    wanted = sorted(set(names))
    if not wanted:
        return frozenset()
    values = sql.SQL(", ").join(
        sql.SQL("({}::name, {}::name, {}::name)").format(*(sql.Literal(part) for part in name)) for name in wanted
    )
    rows = leader.catalogue(
        sql.SQL(
            "SELECT w.* FROM (VALUES {}) AS w(nspname, relname, attname)"
            " JOIN pg_namespace AS n ON n.nspname = w.nspname"
            " JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.relname"
            " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = w.attname"
            " JOIN pg_type AS t ON t.oid = a.atttypid LEFT JOIN pg_collation AS l ON l.oid = a.attcollation WHERE {}"
        ).format(values, condition)
    )
    return frozenset(ColumnName(*row) for row in rows)
