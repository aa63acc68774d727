"""The terms of a filter as SQL, checked against the column's type and by the server.

Every value is a text literal composed by the driver and cast to the column's base type, schema-qualified and without
modifier: ``'1.23451'::numeric(18,4)`` would change the filter, ``'abcde'::character`` is ``a``.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from psycopg import sql

from polyglot_export import sqlstates
from polyglot_export.errors import InternalError, PolyglotError, SpecError
from polyglot_export.planning.choose import column_named
from polyglot_export.planning.locate import Located
from polyglot_export.planning.statement import Statement
from polyglot_export.planning.trial import try_statement
from polyglot_export.postgres.catalogue.columns import SourceColumn
from polyglot_export.postgres.catalogue.types import Type, Types
from polyglot_export.postgres.explain import explain_statement
from polyglot_export.postgres.leader import Leader
from polyglot_export.request.words import FilterOp

if TYPE_CHECKING:
    from polyglot_export.request.spec import FilterTerm
    from polyglot_export.request.values import Scalar


__all__ = ["filter_terms", "row_terms"]

_SQL_OPERATOR = {
    FilterOp.EQ: "=",
    FilterOp.NE: "<>",
    FilterOp.LT: "<",
    FilterOp.LE: "<=",
    FilterOp.GT: ">",
    FilterOp.GE: ">=",
    FilterOp.LIKE: "~~",
}
_INTEGER_TYPES = frozenset({"int2", "int4", "int8", "oid"})
"""Their input functions refuse a decimal point and an exponent."""
_LIKE_TYPES = frozenset({"text", "varchar", "bpchar", "name", "citext"})
_GENERIC = {"e": "anyenum", "r": "anyrange", "m": "anymultirange", "c": "record"}
"""``typtype`` → the pseudo-type whose operators serve all types of the kind."""
MAX_PLAIN_EXPONENT = 400
"""A decimal is written without an exponent up to this many digits, so that integer columns take it; beyond, only
numeric can."""
SHOWN_LABELS = 20
"""Labels of an enum that an error lists."""


def filter_terms(leader: Leader, found: Located, terms: Sequence[FilterTerm]) -> tuple[sql.Composable, ...]:
    """The terms as SQL, each tried by the server.

    Raises:
        SpecError: A column is unknown, its type lacks the operator, or the value is none of that type.
    """
    return _tried(leader, found, terms, found.exposed)


def row_terms(leader: Leader, found: Located) -> tuple[sql.Composable, ...]:
    """What every row must fulfil that may be read (``Located.rows``), as SQL. It may be about any column.

    Raises:
        InternalError: One of the terms fits no column. Whoever asked did not write it and is not told of it.
    """
    try:
        return _tried(leader, found, found.rows, found.columns)
    except SpecError as error:
        raise InternalError(f"the rows of {found.title} that may be read: {error.message}") from None


def _tried(
    leader: Leader, found: Located, terms: Sequence[FilterTerm], columns: Sequence[SourceColumn]
) -> tuple[sql.Composable, ...]:
    if not terms:
        return ()
    operators = _Operators(leader, found.types)
    written = tuple(_written(operators, columns, term, f"filter.{index}") for index, term in enumerate(terms))
    for index, term in enumerate(written):
        # Alone, so that the server's complaint is about this term.
        try_statement(leader, Statement((), found.from_, (term,)), f"filter.{index}")
    return written


def _written(operators: _Operators, columns: Sequence[SourceColumn], term: FilterTerm, field: str) -> sql.Composable:
    return _Term(operators, column_named(term.column, columns, f"{field}.column"), term, field).compose()


class _Operators:
    """The operators of the types of one source, looked up once each."""

    def __init__(self, leader: Leader, types: Types) -> None:
        self._leader = leader
        self._types = types
        self._schemas: dict[tuple[str, int], str | None] = {}
        self._labels: dict[int, tuple[str, ...]] = {}

    def schema(self, symbol: str, type_: Type) -> str | None:
        """The schema of the operator that compares two values of a type; ``None`` where there is none."""
        key = (symbol, type_.oid)
        if key not in self._schemas:
            self._schemas[key] = self._find(symbol, type_) or self._resolved(symbol, type_)
        return self._schemas[key]

    def labels(self, enum: Type) -> tuple[str, ...]:
        """The labels of an enum, in their order."""
        if enum.oid not in self._labels:
            query = sql.SQL("SELECT enumlabel FROM pg_enum WHERE enumtypid = {} ORDER BY enumsortorder")
            rows = self._leader.catalogue(query.format(sql.Literal(enum.oid)))
            self._labels[enum.oid] = tuple(row[0] for row in rows)
        return self._labels[enum.oid]

    def base(self, column: SourceColumn) -> Type:
        """The column's type with its domains taken off."""
        return self._types.under(column.type)[0]

    def is_array(self, type_: Type) -> bool:
        """Whether values of the type are arrays."""
        return self._types.element(type_) is not None

    def _find(self, symbol: str, type_: Type) -> str | None:
        generic = "anyarray" if self.is_array(type_) else _GENERIC.get(type_.kind, "")
        substitute = "text" if type_.schema == "pg_catalog" and type_.name in ("varchar", "name") else ""
        rows = self._leader.catalogue(
            sql.SQL(
                "SELECT n.nspname FROM pg_operator AS o JOIN pg_namespace AS n ON n.oid = o.oprnamespace"
                " WHERE o.oprname = {symbol} AND o.oprleft = o.oprright AND o.oprresult = 'bool'::regtype"
                " AND (o.oprleft = {type}::oid OR (n.nspname = 'pg_catalog' AND o.oprleft IN"
                " (SELECT oid FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace"
                " AND typname IN ({generic}, {substitute}))))"
                " ORDER BY o.oprleft = {type}::oid DESC, o.oid"
            ).format(
                symbol=sql.Literal(symbol),
                type=sql.Literal(type_.oid),
                generic=sql.Literal(generic),
                substitute=sql.Literal(substitute),
            )
        )
        return str(rows[0][0]) if rows else None

    def _resolved(self, symbol: str, type_: Type) -> str | None:
        """Types without operators of their own may be compared as others are: regclass as oid, int2vector as an array.

        The server says so. Where it does not, its transaction has failed, and so has the filter.
        """
        pair = sql.SQL("SELECT NULL::{type} OPERATOR(pg_catalog.{symbol}) NULL::{type}")
        try:
            explain_statement(self._leader, pair.format(type=type_.identifier, symbol=sql.SQL(symbol)))
        except PolyglotError as error:
            if (error.sqlstate or "").startswith(sqlstates.SYNTAX_OR_ACCESS_CLASS):
                return None
            raise
        return "pg_catalog"


class _Term:
    """One term on its way to SQL."""

    def __init__(self, operators: _Operators, column: SourceColumn, term: FilterTerm, field: str) -> None:
        self._operators = operators
        self._column = column
        self._term = term
        self._field = field
        self._type = operators.base(column)
        # The operators for all enums and all arrays do not match a domain over one with the type under it.
        is_domain = self._type.oid != column.type
        self._reference = (
            sql.SQL("{}::{}").format(column.reference, self._type.identifier) if is_domain else column.reference
        )

    def compose(self) -> sql.Composable:
        match self._term.op:
            case FilterOp.IS_NULL | FilterOp.IS_NOT_NULL:
                # As SQL has it: a composite is null where all its fields are, and not null where none of them is.
                word = sql.SQL("IS NULL" if self._term.op is FilterOp.IS_NULL else "IS NOT NULL")
                return sql.SQL("{} {}").format(self._column.reference, word)
            case FilterOp.IN:
                return self._in(self._values())
            case FilterOp.BETWEEN:
                low, high = self._values()
                return sql.SQL("({} AND {})").format(self._compare(FilterOp.GE, low), self._compare(FilterOp.LE, high))
            case FilterOp.LIKE:
                return self._like()
        (value,) = self._values()
        return self._compare(self._term.op, value)

    def _in(self, values: Sequence[Scalar]) -> sql.Composable:
        if not values:
            return sql.SQL("false")
        if self._operators.is_array(self._type) or self._type.category == "A":
            # = ANY over an array of arrays would compare with the elements. int2vector is of the category only.
            return sql.SQL("({})").format(sql.SQL(" OR ").join(self._compare(FilterOp.EQ, value) for value in values))
        literals = sql.SQL(", ").join(self._literal(value) for value in values)
        return sql.SQL("{} {} ANY (ARRAY[{}])").format(self._reference, self._operator(FilterOp.EQ), literals)

    def _like(self) -> sql.Composable:
        (pattern,) = self._values()
        if self._type.name not in _LIKE_TYPES:
            raise self._error(
                f"operator like is for {', '.join(sorted(_LIKE_TYPES))}; column {self._name} has type "
                f"{self._column.display}"
            )
        if not isinstance(pattern, str):
            raise self._error("operator like takes a string")
        if (len(pattern) - len(pattern.rstrip("\\"))) % 2:
            # The server would say so only when it meets the first row.
            raise self._error("the pattern of like must not end with a single backslash")
        if self._type.name == "citext":
            return self._compare(FilterOp.LIKE, pattern)
        literal = sql.SQL("{}::pg_catalog.text").format(sql.Literal(pattern))
        return sql.SQL("{} OPERATOR(pg_catalog.~~) {}").format(self._reference, literal)

    def _compare(self, operator: FilterOp, value: Scalar) -> sql.Composable:
        return sql.SQL("{} {} {}").format(self._reference, self._operator(operator), self._literal(value))

    def _operator(self, operator: FilterOp) -> sql.Composable:
        symbol = _SQL_OPERATOR[operator]
        schema = self._operators.schema(symbol, self._type)
        if schema is None:
            raise self._error(f"column {self._name} has type {self._column.display}, which has no operator {operator}")
        return sql.SQL("OPERATOR({}.{})").format(sql.Identifier(schema), sql.SQL(symbol))

    def _literal(self, value: Scalar) -> sql.Composable:
        # A name is cut at 63 bytes by its cast; as text it compares whole.
        is_name = self._type.schema == "pg_catalog" and self._type.name == "name"
        cast = sql.SQL("pg_catalog.text") if is_name else self._type.identifier
        return sql.SQL("{}::{}").format(sql.Literal(self._as_text(value)), cast)

    def _as_text(self, value: Scalar) -> str:
        match value:
            case bool():
                if self._type.category != "B":
                    raise self._error(
                        f"column {self._name} has type {self._column.display}; a boolean is compared with boolean "
                        "columns only"
                    )
                return "true" if value else "false"
            case Decimal():
                if self._type.category != "N":
                    raise self._error(
                        f"column {self._name} has type {self._column.display}; give the value as a string"
                    )
                return plain_number(self._whole(value) if self._is_integer else value)
        if self._type.kind == "e":
            self._check_label(value)
        return value

    def _check_label(self, value: str) -> None:
        labels = self._operators.labels(self._type)
        if value in labels:
            return
        shown = ", ".join(repr(label) for label in labels[:SHOWN_LABELS]) or "none"
        more = f" and {len(labels) - SHOWN_LABELS:,} more" if len(labels) > SHOWN_LABELS else ""
        raise self._error(
            f"column {self._name} has type {self._column.display}, which has no label {value!r}; allowed are"
            f" {shown}{more}"
        )

    def _whole(self, value: Decimal) -> Decimal:
        """A number for an integer column without its fraction: JSON writes one number as 1000, 1000.0 or 1e3."""
        whole = value.to_integral_value()
        if whole != value:
            raise self._error(
                f"column {self._name} has type {self._column.display}; the value must be a whole number, not {value}"
            )
        return whole

    @property
    def _is_integer(self) -> bool:
        return self._type.schema == "pg_catalog" and self._type.name in _INTEGER_TYPES

    def _values(self) -> list[Scalar]:
        value = self._term.value
        if value is None:  # only for operators without a value, which do not come here
            return []
        return list(value) if isinstance(value, tuple) else [value]

    @property
    def _name(self) -> str:
        return f'"{self._column.name}"'

    def _error(self, message: str) -> SpecError:
        return SpecError(self._field, message)


def plain_number(value: Decimal) -> str:
    """All digits and no exponent where that is short enough: an integer column refuses ``1E+3``."""
    return format(value, "f") if abs(value.adjusted()) <= MAX_PLAIN_EXPONENT else str(value)
