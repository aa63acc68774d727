"""The database that somebody else's object stands for: an engine, connection or session of SQLAlchemy, a URL of it, a
connection of Django.

Only how it connects is borrowed. The export has connections of its own, so what a session has not committed is not
seen, and its pool is left alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import ProgrammingError
from psycopg.conninfo import make_conninfo

from polyglot_export.errors import SpecError
from polyglot_export.sources.selected import belongs_to

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from sqlalchemy import Dialect, Engine

__all__ = ["Borrowed", "borrow", "borrow_from_django"]

_RENAMED = {"database": "dbname", "username": "user", "timeout": "connect_timeout", "ssl": "sslmode"}
"""What other drivers call libpq's parameters."""
_OF_DRIVERS = frozenset(
    {
        "async_creator_fn",
        "async_fallback",
        "autocommit",
        "command_timeout",
        "connection_factory",
        "context",
        "cursor_factory",
        "max_cacheable_statement_size",
        "max_cached_statement_lifetime",
        "prepare_threshold",
        "prepared_statement_cache_size",
        "prepared_statement_name_func",
        "row_factory",
        "statement_cache_size",
        "client_encoding",
    }
)
"""What only the other driver has a use for: its cursors, and statements that it prepares."""
_SERVER_SETTINGS = "server_settings"


_REWRITTEN = (
    "a listener of do_orm_execute changes what this session reads, and an export cannot ask it: write its conditions "
    "into the statement, and give the session's engine (get_bind())"
)


class Borrowed(NamedTuple):
    """How to connect, and what else the object says."""

    conninfo: str | None
    """``None`` leaves it to libpq's environment variables and files."""
    role: str | None = None
    """That the other library takes after it has connected."""
    dialect: Dialect | None = None
    """Of an engine."""
    schemas: Mapping[str | None, str | None] | None = None
    """The engine's ``schema_translate_map``."""

    def __repr__(self) -> str:
        # Without the password.
        return f"Borrowed(role={self.role!r})"


def borrow(given: object, statement: object = None) -> Borrowed:
    """Read what a caller gave in place of a connection string.

    Args:
        given: A text or ``None`` stays what it is.
        statement: What shall be read; a session may have an engine for each mapped class.

    Raises:
        SpecError: It is nothing that stands for a PostgreSQL database. Never with the password.
    """
    if given is None or isinstance(given, str):
        return Borrowed(given)
    if belongs_to(given, "sqlalchemy"):
        return _from_sqlalchemy(given, statement)
    if belongs_to(given, "django"):
        return borrow_from_django(given)
    takes = "a connection string, or an engine, URL, connection or session of SQLAlchemy, or a connection of Django"
    raise SpecError("dsn", f"must be {takes} (got {type(given).__name__})")


def _from_sqlalchemy(given: Any, statement: object) -> Borrowed:
    from sqlalchemy import URL, ClauseElement, Connection, Engine
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
    from sqlalchemy.orm import Session, scoped_session

    if isinstance(given, URL):
        return Borrowed(_conninfo(_of_url(given)))
    if isinstance(given, scoped_session):
        given = given()
    if isinstance(given, AsyncSession):
        given = given.sync_session
    if isinstance(given, Session):
        if statement is not None and _rewrites(given):
            raise SpecError("dsn", _REWRITTEN)
        try:
            given = given.get_bind(clause=statement if isinstance(statement, ClauseElement) else None)
        except SQLAlchemyError as error:
            raise SpecError("dsn", f"the session has no engine for this: {error}") from None
    if isinstance(given, AsyncEngine):
        given = given.sync_engine
    if isinstance(given, AsyncConnection):
        given = given.sync_connection
    options: Mapping[str, Any] = {}
    if isinstance(given, Connection):
        options = given.get_execution_options()
        given = given.engine
    if not isinstance(given, Engine):
        raise SpecError("dsn", f"an object of {type(given).__name__} has no engine")
    _see_postgresql(given.dialect.name)
    schemas = {**given.get_execution_options(), **options}.get("schema_translate_map")
    return Borrowed(_conninfo(_of_engine(given)), dialect=given.dialect, schemas=schemas)


def _rewrites(session: Any) -> bool:
    """Whether what a session reads is not what its statement says: by such a listener many an application adds the
    condition for a tenant or for what was deleted.
    """
    return bool(session.dispatch.do_orm_execute)


def _see_postgresql(name: str) -> None:
    if name != "postgresql":
        raise SpecError("dsn", f"is a database of {name}; it must be one of postgresql")


def _of_url(url: Any) -> Mapping[str, Any]:
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

    _see_postgresql(url.get_backend_name())
    dialect: Any = PGDialect_psycopg
    _, parameters = dialect().create_connect_args(url)
    return dict(parameters)


def _of_engine(engine: Engine) -> Mapping[str, Any]:
    """What the engine's pool connects with: that of the URL, ``connect_args``, and what listeners of ``do_connect``
    make of it (a token in place of the password).

    Raises:
        SpecError: Only a function of the caller's knows how to connect.
    """
    # An engine keeps its connect_args only there; what is looked for is missing where creator=… was given.
    known = inspect.getclosurevars(engine.pool._creator).nonlocals  # noqa: SLF001
    if "cparams" not in known or "cargs_tup" not in known:
        reason = "this engine connects by a function (creator=…), which cannot be asked how; give a connection string"
        raise SpecError("dsn", reason)
    positional, parameters = list(known["cargs_tup"]), dict(known["cparams"])
    listeners: Iterable[Any] = getattr(engine.dialect.dispatch, "do_connect", ())
    for listener in listeners:
        if listener(engine.dialect, None, positional, parameters) is not None:
            raise SpecError("dsn", "a listener of do_connect makes this engine's connections; give a connection string")
    return parameters


def borrow_from_django(connection: BaseDatabaseWrapper) -> Borrowed:
    """The settings of a connection of Django, such as ``connections["default"]``.

    Raises:
        SpecError: It is none of PostgreSQL.
    """
    if not hasattr(connection, "settings_dict"):
        raise SpecError(
            "dsn", f'must be a connection, such as connections["default"] (got {type(connection).__name__})'
        )
    _see_postgresql(connection.vendor)
    role = connection.settings_dict["OPTIONS"].get("assume_role")
    return Borrowed(_conninfo(connection.get_connection_params()), role)


def _conninfo(parameters: Mapping[str, Any]) -> str:
    """Parameters of a driver as libpq's.

    Raises:
        SpecError: One of them means nothing here; it is named, and its value is not told.
    """
    found: dict[str, Any] = {}
    for name, value in parameters.items():
        if value is None or name in _OF_DRIVERS:
            continue
        if name == _SERVER_SETTINGS:
            found["options"] = _options(value)
        elif isinstance(value, str | int) and not isinstance(value, bool):
            found[_RENAMED.get(name, name)] = value
        elif name == "ssl" and isinstance(value, bool):
            found["sslmode"] = "require" if value else "disable"
        else:
            raise SpecError(
                "dsn", f"the connection's parameter {name!r} cannot be given to libpq; write it as libpq has it"
            )
    try:
        return make_conninfo("", **found)
    except ProgrammingError as error:
        # It names the parameter only.
        raise SpecError("dsn", f"the connection's parameters are not libpq's: {str(error).strip()}") from None


def _options(settings: Mapping[str, Any]) -> str:
    """As the command line of a server has them, where a space ends a setting."""
    return " ".join(
        "-c " + f"{name}={value}".replace("\\", "\\\\").replace(" ", "\\ ") for name, value in settings.items()
    )
