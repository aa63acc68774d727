"""The sort keys of a statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from psycopg import sql

from polyglot_export.planning.choose import column_named, named
from polyglot_export.planning.locate import Located
from polyglot_export.planning.statement import Statement
from polyglot_export.planning.trial import try_statement
from polyglot_export.postgres.catalogue.columns import primary_keys
from polyglot_export.postgres.leader import Leader

if TYPE_CHECKING:
    from polyglot_export.request.spec import OrderTerm

__all__ = ["sort_keys"]


def sort_keys(leader: Leader, found: Located, terms: Sequence[OrderTerm]) -> tuple[sql.Composable, ...]:
    """The keys, with the primary key behind them so that equal rows come in the same order each time.

    Of the primary key only columns that are exposed: the order of the rows would tell of the others.

    Raises:
        SpecError: A column is unknown, or its type has no order.
    """
    keys = [_key(found, term, index) for index, term in enumerate(terms)]
    for index, key in enumerate(keys):
        # Alone, so that the server's complaint is about this key.
        try_statement(leader, Statement((), found.from_, order=(key,)), f"orderBy.{index}")
    if keys and found.relation is not None:
        exposed = named(found.exposed)
        given = {term.column for term in terms}
        (key_columns,) = primary_keys(leader, [found.relation.oid]).values()
        behind = [name for name in key_columns if name in exposed and name not in given]
        keys += [exposed[name].reference for name in behind]
    return tuple(keys)


def _key(found: Located, term: OrderTerm, index: int) -> sql.Composable:
    column = column_named(term.column, found.exposed, f"orderBy.{index}.column")
    return sql.SQL("{} DESC" if term.direction == "desc" else "{} ASC").format(column.reference)
