"""An expression that an administrator wrote in place of a column: parsed alone before it becomes a part of a statement.

As with a condition, what the server reads both bare and between parentheses is one expression: ``a, b`` is two columns
when it is bare, and ``a FROM t --`` ends before the parenthesis does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg import sql

from polyglot_export import sqlstates
from polyglot_export.errors import InternalError, StatementFailed
from polyglot_export.postgres.catalogue.columns import SourceColumn
from polyglot_export.postgres.catalogue.types import read_types
from polyglot_export.postgres.leader import Leader

__all__ = ["checked_expression", "described_expression", "masked"]


def checked_expression(leader: Leader, text: str, from_: sql.Composable, about: str) -> tuple[sql.Composable, int, int]:
    """The expression between parentheses, with the number of its type and the type's modifier.

    Must run in the export's transaction: parsing takes the locks of what its sub-selects name.

    Args:
        leader: In a transaction.
        text: What was written.
        from_: What it is about, as FROM names it.
        about: What it stands for, for the log.

    Raises:
        InternalError: It is not one expression for each row, or the server refuses it. Whoever asked did not write it.
    """
    try:
        found = described_expression(leader, text, from_)
    except StatementFailed as error:
        if error.sqlstate == sqlstates.QUERY_CANCELED:
            raise
        raise InternalError(f"{about}: {error.message}") from None
    if found is None:
        raise InternalError(f"{about}: must be one expression without parameters")
    return found


def described_expression(leader: Leader, text: str, from_: sql.Composable) -> tuple[sql.Composable, int, int] | None:
    """The same of an expression of anybody; ``None`` where it is several, or has parameters.

    Raises:
        StatementFailed: What the server says of it.
    """
    between = sql.SQL("(\n{}\n)").format(sql.SQL(text))
    bare = sql.SQL("SELECT \n{}\n FROM {}").format(sql.SQL(text), from_)
    # An aggregate, a window function or a function that gives rows cannot stand behind WHERE.
    for_each_row = sql.SQL("SELECT {} FROM {} WHERE {} IS NULL").format(between, from_, between)
    columns: list[tuple[str, int, int]] = []
    for statement in (bare, for_each_row):
        described = leader.describe(statement.as_string(leader.connection))
        if described.parameters or len(described.columns) != 1:
            return None
        columns += described.columns
    _, type_, modifier = columns[0]
    return between, type_, modifier


def masked(
    leader: Leader, columns: Sequence[SourceColumn], masks: Mapping[str, str], from_: sql.Composable, title: str
) -> tuple[SourceColumn, ...]:
    """Columns with their masks in the place of their values, for filters and order too.

    Args:
        leader: In a transaction.
        columns: Those of the source.
        masks: By the name of a column, the expression.
        from_: The source, as FROM names it.
        title: Of the source, for the log.

    Raises:
        InternalError: A mask is for no column, or is no expression.
    """
    missing = masks.keys() - {column.name for column in columns}
    if missing:
        raise InternalError(f"the mask of {title}: there is no column {min(missing)!r}")
    return tuple(_one(leader, column, masks.get(column.name), from_, title) for column in columns)


def _one(leader: Leader, column: SourceColumn, mask: str | None, from_: sql.Composable, title: str) -> SourceColumn:
    if mask is None:
        return column
    about = f"the mask of the column {column.name!r} of {title}"
    written, type_, modifier = checked_expression(leader, mask, from_, about)
    of_mask = read_types(leader, [type_])[type_]
    # A number alone would be a position behind ORDER BY.
    reference = sql.SQL("{}::{}").format(written, of_mask.identifier)
    # No page holds its values, and the rights to read it are those of what it names.
    return column._replace(reference=reference, type=type_, modifier=modifier, display=of_mask.display, computed=True)
