"""An expression of SQL, whose values rows are shared out by as if it were a further column of what is read."""

from __future__ import annotations

from psycopg import sql

from polyglot_export import sqlstates
from polyglot_export.errors import PolyglotError, SpecError, StatementFailed
from polyglot_export.limits import MAX_SPLIT_VALUES, SPLIT_SQL_BYTES
from polyglot_export.planning.locate import Located
from polyglot_export.postgres.catalogue.columns import SourceColumn
from polyglot_export.postgres.catalogue.types import read_types
from polyglot_export.postgres.compose import composed
from polyglot_export.postgres.expression import described_expression
from polyglot_export.postgres.leader import Leader
from polyglot_export.request.sql_text import SqlText
from polyglot_export.sources.lexemes import Kind, lexemes

__all__ = ["with_expression"]

FIELD = "splitValues"
MAX_BYTES = SPLIT_SQL_BYTES // (2 * MAX_SPLIT_VALUES)
"""Of the expression, where it stands twice in the statement of each part."""
SHOWN = 60
"""Characters of an expression in what people read."""
_SUBSELECTS = frozenset({"select", "values", "table", "with"})
_ONE = "must be a column, or one expression over the columns of a row"


def with_expression(leader: Leader, found: Located, given: SqlText) -> tuple[Located, SourceColumn]:
    """What is read, with the expression in it, and the expression as a column.

    Must run in the export's transaction. No further lock is needed, since it reads the row alone.

    Args:
        leader: In the export's transaction.
        found: What is read.
        given: What a person wrote.

    Raises:
        SpecError: It is not one expression for each row, has a sub-select, or the server refuses it; or only a part of
            the source may be read, of which the order of the rows would tell more.
        AccessDenied: The login may not use what it names.
    """
    if found.masked or found.rows or found.exposed != found.columns:
        raise SpecError(FIELD, "SQL is not taken where only some columns or rows are offered; name a column")
    text = composed(leader, given.text, given.parameters, FIELD)
    if _has_subselect(text):
        raise SpecError(FIELD, f"{_ONE}, and not have a sub-select")
    if found.query is None and len(text.encode()) > MAX_BYTES:
        reason = f"has {len(text.encode()):,} bytes, and may have {MAX_BYTES:,}"
        raise SpecError(FIELD, f"{reason}; a query can have a column of a longer one")
    from_ = found.from_ if found.query is None else found.query.rows
    try:
        described = described_expression(leader, text, from_)
    except StatementFailed as error:
        raise _refused(error) from None
    if described is None:
        raise SpecError(FIELD, f"{_ONE}, without parameters ($1)")
    written, type_, modifier = described
    types = read_types(leader, {type_, *(column.type for column in found.columns)})
    if types[type_].kind == "p":
        raise SpecError(FIELD, f"{_ONE}; this one is a {types[type_].display}, whose values cannot be written down")
    # A number alone would be a position behind ORDER BY.
    written = sql.SQL("{}::{}").format(written, types[type_].identifier)
    name = shown if len(shown := " ".join(text.split())) <= SHOWN else f"{shown[: SHOWN - 1]}…"
    if found.query is not None:
        query = found.query._replace(computed=written)
        found, written = found._replace(query=query, from_=query.subquery), sql.SQL("q.x")
    column = SourceColumn(name, written, type_, modifier, types[type_].display, computed=True)
    return found._replace(types=types), column


def _has_subselect(text: str) -> bool:
    """Whether one of the words that begin a query stands behind a parenthesis.

    What a sub-select reads would be locked after the snapshot was taken, and need not be what the other statements of
    the moment read.
    """
    before = ""
    for lexeme in lexemes(text):
        if lexeme.kind is Kind.BLANK:
            continue
        word = text[lexeme.start : lexeme.end].lower()
        if before == "(" and word in _SUBSELECTS:
            return True
        before = word
    return False


def _refused(error: StatementFailed) -> PolyglotError:
    if error.sqlstate in (sqlstates.INSUFFICIENT_PRIVILEGE, sqlstates.QUERY_CANCELED):
        return error
    if error.sqlstate in (sqlstates.UNDEFINED_PARAMETER, sqlstates.INDETERMINATE_DATATYPE):
        return SpecError(FIELD, f"{_ONE}, without parameters ($1)", sqlstate=error.sqlstate)
    reason = f"{_ONE}: {error.message}"
    return SpecError(FIELD, reason, sqlstate=error.sqlstate, detail=error.detail, hint=error.hint)
