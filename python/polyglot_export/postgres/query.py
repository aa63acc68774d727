"""A query that a person wrote: parsed alone, described, and wrapped.

Pasted into ``COPY (…)`` unseen, ``select 1) to program 'x' --`` would run a program on the server. Parsed alone by the
extended protocol it is a syntax error, and a second statement is one too. What is pasted is exactly what was parsed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from psycopg import sql

from polyglot_export import sqlstates
from polyglot_export.errors import AccessDenied, PolyglotError, SpecError, StatementFailed, UnknownDataset
from polyglot_export.postgres.catalogue.columns import SourceColumn
from polyglot_export.postgres.compose import composed
from polyglot_export.postgres.condition import checked_condition
from polyglot_export.postgres.expression import masked
from polyglot_export.postgres.leader import Described, Leader
from polyglot_export.request.sql_text import SqlText
from polyglot_export.sources.base import QueryText
from polyglot_export.sources.query import trim

__all__ = ["Query", "describe_query", "value_statements", "wrong_value"]

_ONE_SELECT = "must be one SELECT, VALUES, TABLE or WITH … SELECT statement"


class Query(NamedTuple):
    """A query that may be wrapped."""

    text: str
    """Without a semicolon at its end."""
    described: Described
    condition: sql.Composable | None = None
    """What all of its rows fulfil, over its own names of columns; checked."""
    masked: Mapping[str, SourceColumn] = MappingProxyType({})
    """By the name of a column, what stands in its place."""
    computed: sql.Composable | None = None
    """An expression over its own names of columns; checked. It is ``q.x``."""

    @property
    def rows(self) -> sql.Composable:
        """``(query) AS r``, with its own names of columns."""
        return _named(self.text)

    @property
    def subquery(self) -> sql.Composable:
        """``(query) AS q(c1, c2, …)``: line breaks end a trailing comment, and the positions keep equal names apart."""
        names = sql.SQL(", ").join(sql.SQL(f"c{number}") for number in range(1, len(self.described.columns) + 1))
        rows = sql.SQL("\n{}\n").format(sql.SQL(self.text))
        if self.masked:
            names += sql.SQL("").join(sql.SQL(f", m{number}") for number in range(1, len(self.masked) + 1))
        further = [each.reference for each in self.masked.values()]
        if self.computed is not None:
            names += sql.SQL(", x")
            further.append(self.computed)
        if further or self.condition is not None:
            behind = sql.SQL("").join(sql.SQL(", {}").format(each) for each in further)
            rows = sql.SQL("SELECT r.*{} FROM {}").format(behind, self.rows)
        if self.condition is not None:
            rows = sql.SQL("{} WHERE {}").format(rows, self.condition)
        return sql.SQL("({}) AS q({})").format(rows, names)


def _named(text: str) -> sql.Composable:
    return sql.SQL("(\n{}\n) AS r").format(sql.SQL(text))


def describe_query(
    leader: Leader, query: QueryText, condition: SqlText | None = None, masks: Mapping[str, str] | None = None
) -> Query:
    """Parse the query alone and as it will be wrapped.

    Must run in the export's transaction: parsing takes the locks of what the query names.

    Raises:
        SpecError: It is not one statement, has parameters, gives no columns, writes, or the server refuses it; or its
            condition is none.
    """
    _check_values(leader, query)
    text = trim(composed(leader, query.text, query.parameters, "query"))
    if "\0" in text:
        raise SpecError("query", "must not hold the character U+0000")
    try:
        described = leader.describe(text)
    except StatementFailed as error:
        raise _refused(error) from None
    if described.parameters:
        raise SpecError("query", "must not have parameters ($1); write the values")
    if not described.columns:
        raise SpecError("query", f"{_ONE_SELECT}; this one returns no columns")
    found = Query(text, described)
    try:
        leader.describe(sql.SQL("SELECT FROM {}").format(found.subquery).as_string(leader.connection))
    except StatementFailed as error:
        raise _not_wrappable(error) from None
    if masks:
        found = found._replace(masked=_masked(leader, found, masks))
    if condition is None:
        return found
    return found._replace(condition=checked_condition(leader, condition, _named(text)))


def _masked(leader: Leader, query: Query, masks: Mapping[str, str]) -> dict[str, SourceColumn]:
    columns = [
        SourceColumn(name, sql.Identifier(name), type_, modifier, "")
        for name, type_, modifier in query.described.columns
    ]
    every = masked(leader, columns, masks, _named(query.text), "the query")
    return {column.name: column for column in every if column.name in masks}


def _check_values(leader: Leader, query: QueryText) -> None:
    """See that every value stands where a value may stand, and try them one by one: of the whole statement the server
    would not say which it was.

    Raises:
        SpecError: One does not fit its type; the field is its name.
    """
    if query.proof is None:
        return
    text, names = query.proof
    try:
        proved = leader.describe(trim(text))
    except StatementFailed as error:
        raise _refused(error) from None
    if len(proved.parameters) != len(names):
        raise SpecError("query", "has a :name that PostgreSQL reads as a part of a string, a name or a comment")
    declared = bool(query.casts)
    tried = query if declared else query._replace(casts=_inferred(leader, names, proved.parameters))
    for field, statement, type_ in value_statements(leader, tried):
        try:
            # Parsed and not run, which would take the snapshot before the locks are there.
            described = leader.describe(statement)
        except StatementFailed as error:
            raise wrong_value(error, field, type_) from None
        if declared and described.columns[0][2] != -1:
            raise SpecError(
                field, f"its type {type_} has a length or precision, by which a value would be cut or rounded"
            )


def _inferred(leader: Leader, names: Sequence[str], types: Sequence[int]) -> tuple[tuple[str, str], ...]:
    """Each placeholder with the type that the server has found for it."""
    oids = sql.SQL(", ").join(sql.Literal(oid) for oid in types)
    query = sql.SQL("SELECT t.oid, format_type(t.oid, NULL) FROM pg_type AS t WHERE t.oid IN ({})").format(oids)
    written: dict[int, str] = dict(leader.catalogue(query)) if types else {}
    return tuple({name: written[oid] for name, oid in zip(names, types, strict=True) if oid in written}.items())


def value_statements(leader: Leader, query: QueryText) -> Iterator[tuple[str, str, str]]:
    """For each value that is cast: the field that names it, a statement that casts it alone, and its type."""
    values = query.parameters if isinstance(query.parameters, Mapping) else {}
    for name, type_ in query.casts:
        field = f"parameters.{name}"
        yield field, composed(leader, f"SELECT CAST(%(value)s AS {type_})", {"value": values[name]}, field), type_


def wrong_value(error: StatementFailed, field: str, type_: str) -> PolyglotError:
    """What the server says of a value, as a mistake of the request."""
    if error.sqlstate in (sqlstates.QUERY_CANCELED, sqlstates.INSUFFICIENT_PRIVILEGE):
        return error
    return SpecError(field, f"is no {type_}: {' '.join(error.message.split())}", sqlstate=error.sqlstate)


def _refused(error: StatementFailed) -> PolyglotError:
    match error.sqlstate:
        case sqlstates.INSUFFICIENT_PRIVILEGE:
            return AccessDenied(error.message, sqlstate=error.sqlstate, detail=error.detail, hint=error.hint)
        case sqlstates.QUERY_CANCELED:
            return error
        case sqlstates.UNDEFINED_TABLE:
            return UnknownDataset("query", error.message, sqlstate=error.sqlstate, hint=error.hint)
        case sqlstates.SYNTAX_ERROR if "multiple commands" in error.message:
            return SpecError("query", "must be one statement; a second one follows", sqlstate=error.sqlstate)
        case sqlstates.UNDEFINED_PARAMETER | sqlstates.INDETERMINATE_DATATYPE:
            return SpecError("query", "must not have parameters ($1); write the values", sqlstate=error.sqlstate)
    return SpecError("query", error.message, sqlstate=error.sqlstate, detail=error.detail, hint=error.hint)


def _not_wrappable(error: StatementFailed) -> PolyglotError:
    # "WITH clause containing a data-modifying statement must be at the top level"
    if error.sqlstate == sqlstates.FEATURE_NOT_SUPPORTED:
        return SpecError("query", f"{_ONE_SELECT} that only reads; a statement in WITH writes", sqlstate=error.sqlstate)
    if error.sqlstate == sqlstates.SYNTAX_ERROR:
        return SpecError("query", f"{_ONE_SELECT} that only reads", sqlstate=error.sqlstate)
    return _refused(error)
