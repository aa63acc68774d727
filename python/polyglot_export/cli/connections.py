"""Named connections: ``--dsn @shop`` is the connection ``shop`` of ``~/.config/polyglot/connections.toml``.

    default = "shop"
    reports = "postgresql://me@db.example.com/reports"

    [shop]
    host = "db.example.com"
    dbname = "shop"

A connection is a connection string, or a table of libpq's parameters.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from polyglot_export.cli.talk import say
from polyglot_export.errors import SpecError

__all__ = ["MARK", "connection_names", "database", "named_database"]

MARK = "@"
"""In front of a name. No connection string begins so."""
DEFAULT = "default"

_SERVER_VARIABLES = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGSERVICE", "PGDATABASE", "PGUSER")
"""Variables of libpq that say which database is meant."""
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def database(dsn: str | None) -> str | None:
    """The connection string: ``--dsn``, else ``DATABASE_URL``, else the default connection. With ``None`` libpq's own
    variables and files decide.

    Raises:
        SpecError: It is the name of a connection that there is none of, or the connections cannot be read.
    """
    given = named_database(dsn or os.environ.get("DATABASE_URL"))
    if given:
        return given
    return _default_connection()


def named_database(dsn: str | None) -> str | None:
    """The connection string that ``@name`` stands for; any other stays as it is.

    Raises:
        SpecError: As in :func:`database`.
    """
    if dsn is None or not dsn.startswith(MARK):
        return dsn
    return _connection_named(dsn.removeprefix(MARK))


def _connection_named(name: str) -> str:
    """The connection string of a name.

    Raises:
        SpecError: There is none, or the file cannot be read.
    """
    found = _connections()
    if name not in found or name == DEFAULT:
        there = ", ".join(f"{MARK}{each}" for each in connection_names()) or "none"
        raise SpecError(
            "dsn", f"there is no connection of this name in {_path()}; there are {there}", given=MARK + name
        )
    return _conninfo(name, found[name])


def _default_connection() -> str | None:
    """The connection that is meant where nothing else says which; ``None`` where the file names none, or a variable of
    libpq says which database is meant.

    Raises:
        SpecError: The file cannot be read.
    """
    # Most people have no such file, and an export starts without a reader of TOML.
    if any(os.environ.get(name) for name in _SERVER_VARIABLES) or not os.path.exists(_path()):  # noqa: PTH110
        return None
    name = _connections().get(DEFAULT)
    if name is None:
        return None
    if not isinstance(name, str):
        raise SpecError("dsn", f"{DEFAULT} in {_path()} must be the name of a connection")
    return _connection_named(name)


def connection_names() -> list[str]:
    """The names, in the order of the file."""
    return [name for name in _connections() if name != DEFAULT]


def _path() -> Path:
    # The XDG Base Directory Specification: a relative path is ignored.
    configured = Path(os.environ.get("XDG_CONFIG_HOME") or "")
    folder = configured if configured.is_absolute() else Path(os.path.expanduser("~/.config"))  # noqa: PTH111
    return folder / "polyglot" / "connections.toml"


@cache
def _connections() -> Mapping[str, Any]:
    """The whole file, read once; none where there is none."""
    import tomllib

    path = _path()
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            found = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise SpecError("dsn", f"{path} cannot be read: {reason}") from None
    if mode & _OTHERS and any(_has_password(each) for each in found.values()):
        say(f"warning: {path} has passwords and can be read by others; chmod 600 makes it yours alone")
    return found


def _has_password(connection: object) -> bool:
    if isinstance(connection, dict):
        return any("password" in each for each in connection)
    from polyglot_export.postgres.dsn import passwords_of

    return bool(passwords_of(str(connection)))


def _conninfo(name: str, connection: object) -> str:
    if isinstance(connection, str):
        return connection
    if not isinstance(connection, dict) or not all(isinstance(each, str | int) for each in connection.values()):
        raise SpecError(
            "dsn",
            f'must be a connection string in {_path()}, as "postgresql://…", or a table of libpq\'s parameters',
            given=MARK + name,
        )
    return " ".join(f"{key}={_quoted(str(value))}" for key, value in connection.items())


def _quoted(value: str) -> str:
    """As libpq reads a value in a list of pairs (PostgreSQL manual, "Connection Strings")."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
