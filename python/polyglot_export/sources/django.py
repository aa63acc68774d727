"""Django's querysets as sources of rows.

Django compiles a queryset for its database; values stay parameters, and the driver composes them. A queryset of plain
columns of one table with a condition becomes that table: what was compiled must be, letter by letter, what such a
statement looks like, or it is read as the query that it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from polyglot_export.errors import SpecError
from polyglot_export.request.sql_text import SqlText
from polyglot_export.sources.query import QuerySource
from polyglot_export.sources.selected import Selected, are_whole, belongs_to, exact_table

__all__ = ["is_queryset", "read_queryset"]

_OURS = "r"
"""What planning calls the table."""


def is_queryset(given: object) -> bool:
    """Whether a source is a queryset, a manager or a model of Django; imports nothing."""
    kind = given if isinstance(given, type) else type(given)
    return belongs_to(given, "django") or any(base.__module__.startswith("django.db.models") for base in kind.__mro__)


def read_queryset(given: Any, *, using: str | None = None, as_query: bool = False, renamed: bool = True) -> Selected:
    """What a queryset stands for.

    Args:
        given: The queryset, a manager or a model.
        using: The alias of the database; that of the queryset where it is ``None``.
        as_query: Read it as a query, whatever it is.
        renamed: Whether a table may be read whose columns get other names.

    Raises:
        SpecError: It is no queryset, or cannot be compiled.
    """
    from django.core.exceptions import FieldError
    from django.db import DatabaseError, NotSupportedError

    queryset = _queryset(given)
    using = using or queryset.db
    query = queryset.query
    try:
        sql, parameters, compiler = _compile(query, using)
        names = _names(queryset, compiler)
        found = None if as_query else _table(compiler, using, sql, parameters, names)
        if found is not None and (found.names is None or renamed):
            return found
        return Selected(_query_source(_named(sql, names), parameters))
    except SpecError:
        raise
    except (FieldError, DatabaseError, NotSupportedError, TypeError, ValueError) as error:
        raise SpecError("source", f"Django cannot compile it: {error}") from error


def _queryset(given: Any) -> Any:
    from django.db.models import Manager, Model, QuerySet
    from django.db.models.query import RawQuerySet

    if isinstance(given, type) and issubclass(given, Model):
        model: Any = given
        given = model._default_manager.all()  # noqa: SLF001 - Django's public name for it
    if isinstance(given, Manager):
        given = given.all()
    if isinstance(given, RawQuerySet):
        raise SpecError("source", "a raw() queryset is SQL already: give the pair (sql, params) itself")
    if not isinstance(given, QuerySet):
        raise SpecError("source", f"takes a queryset, a manager or a model of Django (got {type(given).__name__})")
    return given


def _compile(query: Any, using: str) -> tuple[str, Sequence[Any], Any]:
    query = query.clone()
    # What Django would not even ask, such as none(), is a statement too: it gives the header.
    compiler = query.get_compiler(using=using, elide_empty=False)
    if compiler.connection.vendor != "postgresql":
        raise SpecError("dsn", f"the database {using!r} is {compiler.connection.vendor}; it must be postgresql")
    sql, parameters = compiler.as_sql()
    return sql, parameters, compiler


def _query_source(text: str, parameters: Sequence[Any]) -> QuerySource:
    return QuerySource(text, parameters=tuple(parameters))


def _names(queryset: Any, compiler: Any) -> list[str]:
    """As ``values()`` calls them; for models, the columns of the database."""
    from django.db.models.query import ModelIterable

    query = compiler.query
    if getattr(queryset, "_iterable_class", None) is not ModelIterable and not query.combinator:
        selected = getattr(query, "selected", None)
        names = [*selected] if selected else [*query.extra_select, *query.values_select, *query.annotation_select]
        if len(names) == len(compiler.select):
            return [str(name) for name in names]
    found = []
    for expression, _, alias in compiler.select:
        target = getattr(expression, "target", None)
        found.append(str(alias or getattr(target, "column", "") or ""))
    return found


def _named(sql: str, names: Sequence[str]) -> str:
    """The statement with these names for its columns, and with no others: to a DISTINCT Django adds what it is ordered
    by, and takes it off the rows again. Two of a join may be called the same.
    """
    if not names or not all(names):
        return sql
    numbers = [_quoted(str(number)) for number in range(len(names))]
    columns = ", ".join(f"q.{number} AS {_quoted(name)}" for number, name in zip(numbers, names, strict=True))
    return f"SELECT {columns} FROM (\n{sql}\n) AS q({', '.join(numbers)})"  # noqa: S608 - what Django compiled


def _quoted(name: str) -> str:
    """As SQL quotes it, in a text with placeholders."""
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'


def _table(compiler: Any, using: str, sql: str, parameters: Sequence[Any], targets: Sequence[str]) -> Selected | None:
    """The table that a queryset reads plain columns of; ``None`` where it is anything else."""
    from django.db.models.expressions import Col

    query = compiler.query
    table = query.get_meta().db_table
    # Those of joins that were not needed in the end are counted 0; so is the table itself where nothing is asked of it.
    used = [alias for alias, count in query.alias_refcount.items() if count] or [table]
    if query.combinator or query.extra or query.extra_tables or len(used) != 1:
        return None
    (alias,) = used
    if alias != table or alias == _OURS or any(letter in table for letter in '."%'):
        return None
    names: list[tuple[str, str]] = []
    written: list[str] = []
    for (expression, _, label), target in zip(compiler.select, targets, strict=True):
        if type(expression) is not Col or expression.alias != alias or not target:
            return None
        column = str(expression.target.column)
        names.append((column, target))
        written.append(f"{_quoted(alias)}.{_quoted(column)}" + (f" AS {_quoted(label)}" if label else ""))
    if not names or any(len({name[side] for name in names}) != len(names) for side in (0, 1)):
        return None
    if not are_whole([table, *(name for pair in names for name in pair)]):
        return None
    head = f"SELECT {', '.join(written)} FROM {_quoted(table)}"  # noqa: S608 - only compared
    condition = None
    if sql != head:
        condition = _condition(query, using, alias)
        if condition is None or sql != f"{head} WHERE {condition[0]}" or len(parameters) != condition[2]:
            return None
    renamed = any(column != label for column, label in names)
    source = exact_table(
        table,
        columns=None if renamed else tuple(column for column, _ in names),
        condition=None if condition is None else SqlText(condition[1], tuple(parameters)),
    )
    return Selected(source, tuple(names) if renamed else None)


def _condition(query: Any, using: str, alias: str) -> tuple[str, str, int] | None:
    """The condition as Django writes it, as it is about our table, and how many values it has; ``None`` where it reads
    more than its columns, or has text that names the table.
    """
    written, count = _where(query, using)
    relabelled = query.clone()
    relabelled.change_aliases({alias: _OURS})
    own, own_count = _where(relabelled, using)
    if "SELECT" in own.upper() or alias.casefold() in own.casefold() or own_count != count:
        return None
    return written, own, count


def _where(query: Any, using: str) -> tuple[str, int]:
    from django.core.exceptions import EmptyResultSet, FullResultSet

    compiler = query.get_compiler(using=using, elide_empty=False)
    try:
        text, parameters = compiler.compile(query.where)
    except (EmptyResultSet, FullResultSet):
        return "", 0
    return text, len(parameters)
