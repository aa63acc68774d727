"""The statement of an export: columns, source, filter, order and limit, with every name from the catalogue and
quoted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from psycopg import sql

__all__ = ["Statement"]

_COPY = sql.SQL("COPY (")
_TO_STDOUT = sql.SQL(") TO STDOUT (FORMAT binary)")


class Statement(NamedTuple):
    """A SELECT in parts, so that a segment can put its TID range in the middle."""

    expressions: tuple[sql.Composable, ...]
    source: sql.Composable
    """What stands after FROM: ``"schema"."table" AS r`` or ``(query) AS q(c1, …)``."""
    filters: tuple[sql.Composable, ...] = ()
    order: tuple[sql.Composable, ...] = ()
    limit: int | None = None

    def select(self) -> sql.Composable:
        """The whole statement."""
        return sql.Composed([self._head(), _where(self.filters), self._tail()])

    def copy(self) -> tuple[sql.Composable, sql.Composable]:
        """The whole statement as COPY, before and after a place where nothing is put."""
        return _COPY + self.select(), _TO_STDOUT

    def copy_of_range(self) -> tuple[sql.Composable, sql.Composable]:
        """COPY before and after the TID range of a segment."""
        return sql.Composed([_COPY, self._head(), sql.SQL(" WHERE ")]), sql.Composed(
            [self._further_terms(), _TO_STDOUT]
        )

    def copy_of_part(self) -> tuple[sql.Composable, sql.Composable]:
        """COPY before and after the predicate of a part, whose rows are in the order of the statement."""
        before, _ = self.copy_of_range()
        return before, sql.Composed([self._further_terms(), self._tail(), _TO_STDOUT])

    def copy_from(self) -> tuple[sql.Composable, sql.Composable, sql.Composable]:
        """The whole statement as COPY, before and after its source, and what :meth:`copy` has last: for the leaves of a
        partitioned table, whose columns have the same names.
        """
        return _COPY + self._columns(), sql.Composed([_where(self.filters), self._tail()]), _TO_STDOUT

    def copy_of_range_from(self) -> tuple[sql.Composable, sql.Composable, sql.Composable]:
        """The same for the parts of :meth:`copy_of_range`."""
        _, after = self.copy_of_range()
        return _COPY + self._columns(), sql.SQL(" WHERE "), after

    def _head(self) -> sql.Composable:
        return sql.Composed([self._columns(), self.source])

    def _columns(self) -> sql.Composed:
        # A table without columns is selected with an empty list.
        return sql.SQL("SELECT {} FROM ").format(sql.SQL(", ").join(self.expressions))

    def _further_terms(self) -> sql.Composable:
        return sql.SQL("").join(sql.SQL(" AND {}").format(term) for term in self.filters)

    def _tail(self) -> sql.Composable:
        parts: list[sql.Composable] = []
        if self.order:
            parts.append(sql.SQL(" ORDER BY {}").format(sql.SQL(", ").join(self.order)))
        if self.limit is not None:
            parts.append(sql.SQL(" LIMIT {}").format(sql.Literal(self.limit)))
        return sql.Composed(parts)


def aliased(relation: sql.Identifier, *, only: bool = False) -> sql.Composable:
    """A relation as FROM names it; columns are then ``r."name"``, which no column's name can shadow.

    Args:
        relation: The qualified name.
        only: Leave out the tables that inherit from it.
    """
    return sql.SQL("ONLY {} AS r" if only else "{} AS r").format(relation)


def _where(terms: Sequence[sql.Composable]) -> sql.Composable:
    if not terms:
        return sql.SQL("")
    return sql.SQL(" WHERE {}").format(sql.SQL(" AND ").join(terms))
