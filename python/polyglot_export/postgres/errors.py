"""psycopg's errors as ours: the one place that knows both trees.

The table of SQLSTATEs is :func:`polyglot_export.errors.statement_error`; here is only what psycopg adds to it.
"""

from __future__ import annotations

import re

import psycopg

from polyglot_export.errors import ConnectionFailed, ConnectionLost, PolyglotError, StatementFailed, statement_error
from polyglot_export.postgres.dsn import hide_passwords

__all__ = ["connect_error", "database_error"]

_NOT_NAMED = (
    "none was named, by DATABASE_URL, --dsn or the PG* variables of libpq, so the socket of this machine was tried"
)

_LEAD = r"^(connection failed: |connection is bad: )+"


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


def connect_error(error: psycopg.Error, *, named: bool) -> ConnectionFailed:
    """Why there is no connection, in one sentence and without a password.

    Args:
        error: What psycopg raised while connecting; the server's SQLSTATE is not known there (libpq does not keep it).
        named: Whether anything said which server is meant.
    """
    what = "cannot connect to the database" if named else f"cannot connect to the database; {_NOT_NAMED}"
    return ConnectionFailed(f"{what}: {hide_passwords(_one_line(str(error)))}", sqlstate=error.sqlstate)


def _one_line(text: str) -> str:
    """The message of libpq in one line: it ends each sentence with a line break and starts with where it failed."""
    lines = [line.strip() for line in text.splitlines()]
    return re.sub(_LEAD, "", "; ".join(line for line in lines if line)) or "the server gave no reason"
