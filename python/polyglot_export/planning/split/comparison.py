"""How the values of the split column are compared, and the predicates that share its rows out.

The operators are those of the type's default btree operator class, under the collation of the column: for any two
values either ``<=`` or ``>`` holds, whatever their type (NaN and infinity of numbers, NULLs inside of rows and arrays,
texts that a collation takes for equal). So each row fulfils exactly one of ``<= b1``, ``> b1 AND <= b2``, … and
``> bn`` or is NULL, wherever the bounds are.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from psycopg import sql

from polyglot_export.errors import SpecError
from polyglot_export.planning.locate import Located
from polyglot_export.planning.split.agreement import MARKER
from polyglot_export.planning.statement import Statement
from polyglot_export.planning.trial import try_statement
from polyglot_export.postgres.catalogue.columns import SourceColumn
from polyglot_export.postgres.catalogue.orders import read_operators
from polyglot_export.postgres.leader import Leader

__all__ = ["Comparison", "comparison"]


class Comparison(NamedTuple):
    """A column that rows are shared out by."""

    column: SourceColumn
    value: sql.Composable
    """The column, without the domains of its type: the operators of all enums and all arrays match no domain."""
    type: sql.Composable
    at_most: sql.Composable
    above: sql.Composable

    def literal(self, text: str) -> sql.Composable:
        """A bound, as the text of a value."""
        return sql.SQL("{}::{}").format(sql.Literal(text), self.type)

    def marked(self) -> sql.Composable:
        """The predicate of a part, with the marker in the place of its bound."""
        mark = sql.SQL("pg_catalog.current_setting({}, true)::{}").format(sql.Literal(MARKER), self.type)
        return self.up_to(mark)

    def up_to(self, bound: sql.Composable) -> sql.Composable:
        """That the value is a bound or below it."""
        return sql.SQL("{} {} {}").format(self.value, self.at_most, bound)

    def from_(self, bound: sql.Composable) -> sql.Composable:
        """That the value is a bound or above it."""
        return sql.SQL("{} {} {}").format(bound, self.at_most, self.value)

    def before(self, bound: sql.Composable) -> sql.Composable:
        """That the value is below a bound."""
        return sql.SQL("{} {} {}").format(bound, self.above, self.value)

    def behind(self, bound: sql.Composable) -> sql.Composable:
        """That the value is above a bound."""
        return sql.SQL("{} {} {}").format(self.value, self.above, bound)

    def missing(self) -> sql.Composable:
        """That there is no value. Written so, a row whose fields are all NULL is one."""
        return sql.SQL("{} IS NOT DISTINCT FROM NULL").format(self.value)

    def present(self) -> sql.Composable:
        """That there is a value."""
        return sql.SQL("{} IS DISTINCT FROM NULL").format(self.value)

    def parts(self, bounds: Sequence[str], *, nulls_apart: bool = False) -> list[sql.Composable]:
        """The predicates of all parts, in the order of the values.

        Args:
            bounds: The texts of values, in their order and no two of them equal.
            nulls_apart: NULL has a part of its own, behind all others.
        """
        literals = [self.literal(text) for text in bounds]
        parts = [self.up_to(literals[0])]
        for low, high in pairwise(literals):
            parts.append(sql.SQL("({} AND {})").format(self.behind(low), self.up_to(high)))
        last = self.behind(literals[-1])
        if nulls_apart:
            return [*parts, last, self.missing()]
        return [*parts, sql.SQL("({} OR {})").format(last, self.missing())]


def comparison(leader: Leader, found: Located, column: SourceColumn, field: str) -> Comparison:
    """How a column is compared.

    Args:
        leader: In the export's transaction.
        found: What is read.
        column: Of it.
        field: Which named it.

    Raises:
        SpecError: Its type has no order.
    """
    type_, _ = found.types.under(column.type, column.modifier)
    operators = read_operators(leader, found.types, type_)
    if operators is None:
        raise SpecError(field, f'column "{column.name}" has type {column.display}, whose values have no order')
    # A query is described with the type under a domain, so that a domain over one of these cannot be told from it.
    generic = type_.kind != "b" or found.types.element(type_) is not None
    may_be_domain = type_.oid != column.type or generic
    value = sql.SQL("({}::{})").format(column.reference, type_.identifier) if may_be_domain else column.reference
    compared = Comparison(column, value, type_.identifier, operators.at_most, operators.above)
    # An array or a row has the operators, and an order only if its elements have one.
    try_statement(leader, Statement((), found.from_, (compared.marked(),), (compared.value,)), field)
    return compared
