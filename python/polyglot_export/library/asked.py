"""What a Python caller asks for, whatever it is written with: how to connect, the spec, and what the spec reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from polyglot_export.access.exposure import EVERYTHING, Exposure
from polyglot_export.access.given import GivenSource
from polyglot_export.errors import SpecError
from polyglot_export.fields import within
from polyglot_export.library.keywords import make_spec
from polyglot_export.postgres.borrowed import Borrowed, borrow, borrow_from_django
from polyglot_export.request.spec import ExportSpec
from polyglot_export.request.sql_text import read_sql_text
from polyglot_export.sources.django import is_queryset, read_queryset
from polyglot_export.sources.query import QuerySource
from polyglot_export.sources.selected import Selected
from polyglot_export.sources.sqlalchemy import is_sqlalchemy, read_statement
from polyglot_export.sources.table import TableSource

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import QuerySet
    from sqlalchemy import URL, Connection, Engine, FromClause, TextClause
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
    from sqlalchemy.orm import Session
    from sqlalchemy.sql.expression import SelectBase

__all__ = ["Asked", "Dsn", "Rows", "asked"]

_OfSqlalchemy: TypeAlias = "URL | Engine | AsyncEngine | Connection | AsyncConnection | Session | AsyncSession"
Dsn: TypeAlias = "str | _OfSqlalchemy | BaseDatabaseWrapper | None"
"""How to connect."""
Rows: TypeAlias = "str | tuple[str, Any] | SelectBase | TextClause | FromClause | QuerySet[Any, Any] | type[Any] | None"
"""What is read: the name of a table or view, ``(sql, parameters)``, or a statement of SQLAlchemy or Django."""


class Asked(NamedTuple):
    """What :func:`~polyglot_export.execution.opening.open_export` takes."""

    dsn: str | None
    spec: ExportSpec
    exposure: Exposure
    role: str | None
    """What was given, or what the borrowed connection would take."""

    def __repr__(self) -> str:
        # Pages and logs of errors show the local variables of each frame, and the connection string has a password.
        return f"Asked(spec={self.spec!r}, role={self.role!r})"


def asked(dsn: object, source: object, *, role: str | None = None, query: str | None = None, **what: Any) -> Asked:
    """Read the arguments of :func:`polyglot_export.export`.

    Args:
        dsn: How to connect.
        source: What is read.
        role: The database role.
        query: One SELECT.
        what: The other arguments, as :func:`~polyglot_export.library.keywords.make_spec` has them.

    Raises:
        SpecError: One of them is wrong.
    """
    if source is None or isinstance(source, str):
        borrowed = borrow(dsn)
        return Asked(borrowed.conninfo, make_spec(source, query=query, **what), EVERYTHING, _role(role, borrowed))
    if query is not None:
        raise SpecError(None, "source and query exclude each other")
    borrowed, selected = _selected(dsn, source, what)
    if selected.names is not None:
        what = {**what, "columns": dict(selected.names)}
    if isinstance(selected.source, TableSource):
        schema, name = selected.source.schema, selected.source.name
        # What is read is said by the source; this is what it is called.
        name = name.strip('"') if schema is None else f"{schema}.{name}"
        spec = make_spec(name, **what)
    else:
        spec = make_spec(query=selected.source.query, **what)
    return Asked(borrowed.conninfo, spec, GivenSource(selected.source), _role(role, borrowed))


def _role(given: str | None, borrowed: Borrowed) -> str | None:
    return borrowed.role if given is None else given


def _selected(dsn: object, source: object, what: Mapping[str, Any]) -> tuple[Borrowed, Selected]:
    # The names of a statement's columns are those of its result, and what is written in SQL is about the result.
    has_sql = what.get("sql_where") is not None or isinstance(what.get("split_values"), tuple | list)
    more = {"as_query": has_sql, "renamed": not _names_columns(what)}
    if isinstance(source, tuple | list):
        with within("source"):
            written = read_sql_text(source)
            text, parameters = written.text, written.parameters
        return borrow(dsn), Selected(QuerySource(text, parameters=parameters))
    if is_sqlalchemy(source):
        borrowed = borrow(dsn, source)
        return borrowed, read_statement(source, dialect=borrowed.dialect, schemas=borrowed.schemas, **more)
    if is_queryset(source):
        return _from_django(dsn, source, more)
    takes = "the name of a table or view, a pair (sql, parameters), or a statement of SQLAlchemy or Django"
    raise SpecError("source", f"must be {takes} (got {type(source).__name__})")


def _names_columns(what: Mapping[str, Any]) -> bool:
    return any(what.get(name) for name in ("columns", "exclude", "filter", "where", "order_by"))


def _from_django(dsn: object, source: Any, more: Mapping[str, bool]) -> tuple[Borrowed, Selected]:
    """Without a connection, that of the queryset."""
    alias = getattr(dsn, "alias", None)
    if dsn is not None:
        return borrow(dsn), read_queryset(source, using=alias if isinstance(alias, str) else None, **more)
    from django.db import connections

    using = getattr(source, "db", None) or source._default_manager.db  # noqa: SLF001 - of a model
    return borrow_from_django(connections[using]), read_queryset(source, using=using, **more)
