"""A condition that a person wrote: parsed alone, in two ways, before it becomes a part of a statement.

Between parentheses, ``true) or (true`` would undo the other terms of a filter, and behind a bare WHERE so would
``true GROUP BY x``. What the server reads both bare and between parentheses is one expression: bare, it must close what
it opens and nothing else, and then what stands between the parentheses is an expression.
"""

from __future__ import annotations

from psycopg import sql

from polyglot_export import sqlstates
from polyglot_export.errors import PolyglotError, SpecError, StatementFailed
from polyglot_export.postgres.compose import composed
from polyglot_export.postgres.leader import Leader
from polyglot_export.request.sql_text import SqlText

__all__ = ["FIELD", "checked_condition"]

FIELD = "sqlWhere"


def checked_condition(leader: Leader, condition: SqlText, from_: sql.Composable) -> sql.Composable:
    """The condition between parentheses.

    Must run in the export's transaction: parsing takes the locks of what its sub-selects name.

    Args:
        leader: In a transaction.
        condition: What was written.
        from_: What it is about, as FROM names it.

    Raises:
        SpecError: It is not one boolean expression over the columns, or the server refuses it.
        AccessDenied: The login may not read what it names.
    """
    _prove(leader, condition, from_)
    text = composed(leader, condition.text, condition.parameters, FIELD)
    between = sql.SQL("(\n{}\n)").format(sql.SQL(text))
    for written in (sql.SQL("\n{}\n").format(sql.SQL(text)), between):
        statement = sql.SQL("SELECT FROM {} WHERE {}").format(from_, written)
        try:
            described = leader.describe(statement.as_string(leader.connection))
        except StatementFailed as error:
            raise _refused(error) from None
        if described.parameters:
            raise SpecError(FIELD, "must not have parameters ($1); give a pair (sql, parameters) with %s")
    return between


def _prove(leader: Leader, condition: SqlText, from_: sql.Composable) -> None:
    """See that every value stands where a value may stand, and not in a string that it could end."""
    if condition.proof is None:
        return
    statement = sql.SQL("SELECT FROM {} WHERE (\n{}\n)").format(from_, sql.SQL(condition.proof[0]))
    try:
        described = leader.describe(statement.as_string(leader.connection))
    except StatementFailed as error:
        raise _refused(error) from None
    if len(described.parameters) != len(condition.proof[1]):
        raise SpecError(FIELD, "has a :name that PostgreSQL reads as a part of a string, a name or a comment")


def _refused(error: StatementFailed) -> PolyglotError:
    if error.sqlstate in (sqlstates.INSUFFICIENT_PRIVILEGE, sqlstates.QUERY_CANCELED):
        return error
    if error.sqlstate in (sqlstates.UNDEFINED_PARAMETER, sqlstates.INDETERMINATE_DATATYPE):
        reason = "must not have parameters ($1); give a pair (sql, parameters) with %s"
        return SpecError(FIELD, reason, sqlstate=error.sqlstate)
    reason = error.message
    if error.sqlstate == sqlstates.SYNTAX_ERROR:
        reason = f"must be one condition, as stands behind WHERE: {reason}"
    return SpecError(FIELD, reason, sqlstate=error.sqlstate, detail=error.detail, hint=error.hint)
