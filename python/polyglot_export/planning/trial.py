"""A part of a statement is tried alone, so that the server's complaint is about what the caller wrote in one place."""

from __future__ import annotations

from polyglot_export import sqlstates
from polyglot_export.errors import PolyglotError, SpecError
from polyglot_export.planning.statement import Statement
from polyglot_export.postgres.explain import explain_statement
from polyglot_export.postgres.leader import Leader

__all__ = ["try_statement"]


def try_statement(leader: Leader, statement: Statement, field: str) -> None:
    """EXPLAIN a statement that holds one term of the request.

    Args:
        leader: In the transaction of the export.
        statement: With the term, and with nothing else that may be wrong.
        field: What wrote it, such as ``filter.0``.

    Raises:
        SpecError: The server refuses the term: a value that is none of the type, a type without the operator.
        PolyglotError: What else the server says.
    """
    try:
        explain_statement(leader, statement.select())
    except PolyglotError as error:
        if not _about_the_term(error.sqlstate or ""):
            raise
        raise SpecError(field, error.message, sqlstate=error.sqlstate, hint=error.hint) from None


def _about_the_term(sqlstate: str) -> bool:
    if sqlstate == sqlstates.INSUFFICIENT_PRIVILEGE:
        return False
    return sqlstate.startswith((sqlstates.DATA_EXCEPTION_CLASS, sqlstates.SYNTAX_OR_ACCESS_CLASS))
