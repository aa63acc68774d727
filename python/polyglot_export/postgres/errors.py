"""psycopg's errors as ours: the one place that knows both trees.

The table of SQLSTATEs is :func:`polyglot_export.errors.statement_error`; here is only what psycopg adds to it.
"""

from __future__ import annotations

import re

import psycopg

from polyglot_export.errors import ConnectionFailed, ConnectionLost, PolyglotError, StatementFailed, statement_error

__all__ = ["connect_error", "conninfo_error", "database_error"]

_HIDDEN = "********"
_LEAD = re.compile(r"^(connection failed: |connection is bad: )+")
# What libpq says about a connection string may quote any part of it, the password too; these sentences quote only
# names.
_QUOTES_ONLY_NAMES = re.compile(
    r"^(invalid connection option|invalid URI query parameter: |extra key/value separator|invalid percent-encoded)"
)


def database_error(error: psycopg.Error) -> PolyglotError:
    """What a failed statement means; the server's own words are kept as message, detail and hint."""
    if error.sqlstate is None:
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return ConnectionLost(f"connection to the database lost: {_one_line(str(error))}")
        return StatementFailed(_one_line(str(error)))
    diag = error.diag
    kind = statement_error(error.sqlstate)
    return kind(
        diag.message_primary or _one_line(str(error)),
        sqlstate=error.sqlstate,
        detail=diag.message_detail,
        hint=diag.message_hint,
        column=diag.column_name,
    )


def connect_error(error: psycopg.Error, password: str | None) -> ConnectionFailed:
    """Why there is no connection, in one sentence and without the password.

    Args:
        error: What psycopg raised while connecting; the server's SQLSTATE is not known there (libpq does not keep it).
        password: The password that was tried, to be hidden wherever it is quoted.
    """
    text = _one_line(str(error))
    if password:
        text = text.replace(password, _HIDDEN)
    return ConnectionFailed(f"cannot connect to the database: {text}", sqlstate=error.sqlstate)


def conninfo_error(error: psycopg.Error) -> ConnectionFailed:
    """What is wrong with a connection string, without quoting what may be its password."""
    text = _one_line(str(error))
    reason = f": {text}" if _QUOTES_ONLY_NAMES.match(text) else ""
    return ConnectionFailed(
        f"cannot read the connection string: it must be a postgresql:// URI or a list of key=value pairs{reason}",
        field="dsn",
    )


def _one_line(text: str) -> str:
    """The message of libpq in one line: it ends each sentence with a line break and starts with where it failed."""
    lines = [line.strip() for line in text.splitlines()]
    return _LEAD.sub("", "; ".join(line for line in lines if line)) or "the server gave no reason"
