"""Statements of SQLAlchemy as sources of rows: ``select()`` of Core and ORM, tables, mapped classes, ``text()``.

SQLAlchemy compiles a statement with its psycopg dialect; values stay parameters all the way, and the driver composes
them. A select of plain columns of one table with a condition becomes that table: what was compiled must be, letter by
letter, what such a select looks like, or it is read as the query that it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg.types.json import Json, Jsonb

from polyglot_export.errors import SpecError
from polyglot_export.request.sql_text import SqlText
from polyglot_export.sources.query import QuerySource
from polyglot_export.sources.selected import Selected, are_whole, belongs_to, exact_table

if TYPE_CHECKING:
    from sqlalchemy import ClauseElement, ColumnElement, Dialect, FromClause, Select, Table

__all__ = ["is_sqlalchemy", "read_statement"]

_WHERE = " \nWHERE "
_TAKES = "takes a select(), text(), a table or a mapped class of SQLAlchemy"


class _Compiled(NamedTuple):
    text: str
    parameters: dict[str, Any]
    core: Any
    """The statement as Core has it, when the ORM has added its criteria."""
    given: Mapping[str, Any]
    """The values by the names that they had before lists were expanded."""


def is_sqlalchemy(given: object) -> bool:
    """Whether a source comes from SQLAlchemy; imports nothing."""
    return belongs_to(given, "sqlalchemy") or (isinstance(given, type) and hasattr(given, "__mapper__"))


def read_statement(
    given: object,
    *,
    dialect: Dialect | None = None,
    schemas: Mapping[str | None, str | None] | None = None,
    as_query: bool = False,
    renamed: bool = True,
) -> Selected:
    """What a statement stands for.

    Args:
        given: The statement.
        dialect: Of the engine; its JSON serializer is used.
        schemas: The engine's ``schema_translate_map``.
        as_query: Read it as a query, whatever it is.
        renamed: Whether a table may be read whose columns get other names.

    Raises:
        SpecError: It is no statement that gives rows, or it cannot be compiled.
    """
    from sqlalchemy.exc import SQLAlchemyError

    statement = _statement(given)
    dialect = _psycopg(dialect)
    schemas = statement.get_execution_options().get("schema_translate_map", schemas) or {}
    try:
        compiled = _compile(statement, dialect, schemas)
        table = None if as_query else _table(compiled, dialect, schemas)
    except SpecError:
        raise
    except (SQLAlchemyError, TypeError, ValueError, AttributeError, KeyError) as error:
        raise SpecError("source", f"SQLAlchemy cannot compile it: {str(error).partition(chr(10))[0]}") from error
    if table is not None and (table.names is None or renamed):
        return table
    return Selected(QuerySource(compiled.text, parameters=compiled.parameters))


def _statement(given: object) -> Any:
    from sqlalchemy import TextClause, select
    from sqlalchemy.orm import Query
    from sqlalchemy.sql.base import Executable
    from sqlalchemy.sql.expression import FromClause, SelectBase, UpdateBase

    if isinstance(given, Query):
        given = given.statement
    if isinstance(given, type) and hasattr(given, "__mapper__"):
        return select(given)
    if isinstance(given, UpdateBase) or not isinstance(given, FromClause | Executable | SelectBase):
        raise SpecError("source", f"{_TAKES} (got {type(given).__name__})")
    if isinstance(given, FromClause) and not isinstance(given, SelectBase):
        return select(given)
    if not isinstance(given, SelectBase | TextClause) and not hasattr(given, "element"):
        raise SpecError("source", f"{_TAKES} (got {type(given).__name__})")
    return given


def _psycopg(dialect: Dialect | None) -> Dialect:
    """The dialect whose placeholders and types are psycopg's; that of an engine with another driver lends it its JSON.

    Raises:
        SpecError: It is of another database.
    """
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

    if dialect is None:
        return PGDialect_psycopg()  # type: ignore[no-untyped-call]
    if dialect.name != "postgresql":
        raise SpecError("dsn", f"an engine of {dialect.name} cannot be read; it must be one of postgresql")
    serializer = getattr(dialect, "_json_serializer", None)
    own: Any = PGDialect_psycopg(json_serializer=serializer)  # type: ignore[no-untyped-call]
    if serializer is not None:
        # The dialect gives it to the connections that it makes, and ours are none of them.
        own._psycopg_Json = partial(Json, dumps=serializer)  # noqa: SLF001
        own._psycopg_Jsonb = partial(Jsonb, dumps=serializer)  # noqa: SLF001
    return own  # type: ignore[no-any-return]


def _compile(
    statement: ClauseElement, dialect: Dialect, schemas: Mapping[Any, Any], values: Mapping[str, Any] | None = None
) -> _Compiled:
    more: dict[str, Any] = {}
    if schemas:
        more = {"schema_translate_map": schemas, "render_schema_translate": True}
    compiled: Any = statement.compile(dialect=dialect, **more)
    # Lists in IN become as many placeholders as they have values.
    expanded = compiled.construct_expanded_state(values)
    processors = dict(expanded.processors)
    for bind, name in compiled.bind_names.items():
        processor = bind.type.dialect_impl(dialect).bind_processor(dialect)
        if processor is not None:
            processors.setdefault(compiled.escaped_bind_names.get(name, name), processor)
    parameters = {
        name: processors[name](value) if name in processors else value for name, value in expanded.parameters.items()
    }
    state = getattr(compiled, "compile_state", None)
    given = compiled.construct_params(values)
    return _Compiled(expanded.statement, parameters, getattr(state, "statement", None), given)


def _table(compiled: _Compiled, dialect: Dialect, schemas: Mapping[Any, Any]) -> Selected | None:
    """The table that a statement reads plain columns of; ``None`` where it is anything else."""
    from sqlalchemy import Select, Table
    from sqlalchemy import table as light_table

    core = compiled.core
    if not isinstance(core, Select):
        return None
    froms = core.get_final_froms()
    if len(froms) != 1 or not isinstance(froms[0], Table):
        return None
    table = froms[0]
    schema = schemas.get(table.schema, table.schema)
    if schema is None and any(letter in table.name for letter in '."'):
        # A bare name is looked up in more than one way.
        return None
    names = _plain_columns(core, table)
    if not names or not are_whole([table.name, *(name for pair in names for name in pair)]):
        return None
    head = _text(_bare_select(names, table.name, schema), dialect)
    condition = None
    # Joined by select() itself: a conjunction may have other parentheses.
    terms = core._where_criteria  # noqa: SLF001
    if terms:
        own = [_own_term(term, table) for term in terms]
        if any(term is None for term in own):
            return None
        as_written = _where(terms, table, dialect, schemas, compiled)
        bare = _where(own, light_table(table.name), dialect, {}, compiled)
        if compiled.text != f"{head}{as_written}" or bare is None:
            return None
        condition = SqlText(bare.removeprefix(_WHERE), compiled.parameters)
    elif compiled.text != head:
        return None
    columns = tuple(name for name, _ in names)
    if len(set(columns)) != len(columns) or len({target for _, target in names}) != len(names):
        return None
    renamed = any(name != target for name, target in names)
    source = exact_table(table.name, schema, columns=None if renamed else columns, condition=condition)
    return Selected(source, tuple(names) if renamed else None)


def _where(
    terms: Sequence[Any], table: FromClause, dialect: Dialect, schemas: Mapping[Any, Any], whole: _Compiled
) -> str | None:
    """A condition as a select has it, with its WHERE; ``None`` where its values are not those of the whole."""
    from sqlalchemy import literal_column, select

    without: Select[Any] = select(literal_column("0")).select_from(table)
    compiled = _compile(without.where(*terms), dialect, schemas, whole.given)
    if compiled.parameters.keys() != whole.parameters.keys():
        return None
    return compiled.text.removeprefix(_compile(without, dialect, schemas).text)


def _plain_columns(core: Select[Any], table: Table) -> list[tuple[str, str]] | None:
    """Name and label of each column; ``None`` where one is anything else."""
    from sqlalchemy import Column, Label

    names: list[tuple[str, str]] = []
    for each in core.selected_columns:
        column = each.element if isinstance(each, Label) else each
        if not isinstance(column, Column) or not _is_of(column, table):
            return None
        names.append((str(column.name), str(each.name if isinstance(each, Label) else column.name)))
    return names


def _is_of(column: Any, table: Table) -> bool:
    from sqlalchemy import Table as TableClass

    of = column.table
    return isinstance(of, TableClass) and (of.name, of.schema) == (table.name, table.schema)


def _bare_select(names: list[tuple[str, str]], table: str, schema: str | None) -> Any:
    """The same select as somebody would write it who knows nothing of types."""
    from sqlalchemy import column, select
    from sqlalchemy import table as light_table

    light = light_table(table, *(column(name) for name, _ in names), schema=schema)
    return select(*(light.c[name].label(target) if name != target else light.c[name] for name, target in names))


def _text(statement: Any, dialect: Dialect) -> str:
    return str(statement.compile(dialect=dialect))


def _own_term(where: ColumnElement[bool], table: Table) -> Any:
    """A term of the condition with bare names of columns; ``None`` where it reads more than them: another table, or SQL
    as text, which may name the table.
    """
    from sqlalchemy import Column, TextClause, column
    from sqlalchemy.sql import visitors
    from sqlalchemy.sql.expression import ColumnClause, FromClause, FunctionElement, SelectBase

    for each in visitors.iterate(where):
        if isinstance(each, Column):
            if not _is_of(each, table):
                return None
        elif isinstance(each, FunctionElement):
            continue  # also a FromClause
        elif isinstance(each, FromClause | SelectBase | TextClause | ColumnClause):
            return None

    def bare(element: Any, **_: Any) -> Any:
        return column(element.name, element.type) if isinstance(element, Column) else None

    return visitors.replacement_traverse(where, {}, bare)
