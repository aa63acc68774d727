"""What a caller sets for the sessions of an export: a database role, and settings that policies and views read.

Both are set with ``SET LOCAL``, in the transaction of the leader and in that of each worker, before anything is looked
up, locked or read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import psycopg
from psycopg import sql

from polyglot_export import sqlstates
from polyglot_export.errors import AccessDenied, SpecError
from polyglot_export.fields import is_number
from polyglot_export.postgres.errors import database_error
from polyglot_export.postgres.role_login import check_role_login

__all__ = ["CallerSettings", "caller_settings", "read_caller_settings"]

_CUSTOM = r"[A-Za-z_][\w$]*(?:\.[A-Za-z_][\w$]*)+"
"""A setting that PostgreSQL itself does not know: two or more names with dots between them (manual, "Customized
Options")."""
_HARMLESS = frozenset(
    {
        "effective_cache_size",
        "effective_io_concurrency",
        "hash_mem_multiplier",
        "random_page_cost",
        "work_mem",
    }
)
"""Settings of the server that change how fast a statement is and nothing else. All others are ours, or the login's."""
MAX_NAME_BYTES = 63
"""Of a role; the server would cut a longer name and take another role."""


class CallerSettings(NamedTuple):
    """Checked, and plain data."""

    role: str | None = None
    settings: tuple[tuple[str, str], ...] = ()
    """Name and value of each."""
    guarded: bool = False
    """Whether the role is set only from a login that may do no more than the role."""


def read_caller_settings(role: object, settings: object) -> CallerSettings:
    """Check what a caller gave, without a database.

    Args:
        role: The name of a role, taken literally; ``None`` for that of the login.
        settings: Name → value; values are texts, numbers or booleans.

    Raises:
        SpecError: A name or value is none that may be set; the sentence says which may.
    """
    if role is not None and not (isinstance(role, str) and role and _is_text(role)):
        raise SpecError("role", f"must be the name of a database role (got {role!r})")
    if role == "none":
        raise SpecError("role", "must be the name of a database role, and none means to PostgreSQL that there is none")
    if role is not None and len(role.encode()) > MAX_NAME_BYTES:
        raise SpecError("role", f"must have at most {MAX_NAME_BYTES} bytes, as all names of PostgreSQL")
    if settings is None:
        return CallerSettings(role)
    if not isinstance(settings, Mapping):
        raise SpecError("settings", f'must be a mapping, as {{"app.tenant": 3}} (got {settings!r})')
    read = tuple(_read(name, value) for name, value in settings.items())
    _refuse_repeated([name for name, _ in read])
    return CallerSettings(role, read)


def _refuse_repeated(names: Sequence[str]) -> None:
    """PostgreSQL compares the names of settings without their case (``guc_name_compare``), so that the last value would
    silently be that of all.
    """
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise SpecError("settings", f"{other!r} and {name!r} are one setting to PostgreSQL; give one of them")


def _read(name: object, value: object) -> tuple[str, str]:
    if not isinstance(name, str) or not (re.fullmatch(_CUSTOM, name, re.ASCII) or name.lower() in _HARMLESS):
        allowed = f"settings of your own, with a dot in their name as app.tenant, and {', '.join(sorted(_HARMLESS))}"
        raise SpecError("settings", f"{name!r} cannot be set for an export; allowed are {allowed}")
    if isinstance(value, bool):
        return name, "true" if value else "false"
    if is_number(value):
        return name, str(value)
    if not isinstance(value, str):
        # The text of None would be taken for a tenant.
        raise SpecError(f"settings.{name}", f"must be a text, a number or a boolean (got {value!r})")
    if not _is_text(value):
        raise SpecError(f"settings.{name}", "must be text without the character U+0000")
    return name, value


def _is_text(given: str) -> bool:
    return "\0" not in given and not any("\ud800" <= letter <= "\udfff" for letter in given)


def caller_settings(connection: psycopg.Connection, caller: CallerSettings) -> tuple[str, ...]:
    """The statements for a server, each tried in a transaction that is rolled back.

    Args:
        connection: The leader's, in autocommit mode and outside a transaction.
        caller: What shall be set.

    Raises:
        SpecError: The server does not know the role or refuses a value.
        AccessDenied: The login may not become the role, or set the setting, or could do more than the role.
    """
    # The role comes last: what the login may set, the role perhaps may not.
    statements = [(f"settings.{name}", _setting(name, value)) for name, value in caller.settings]
    if caller.role is not None:
        statements.append(("role", sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(caller.role))))
    if not statements:
        return ()
    if caller.guarded and caller.role is not None:
        check_role_login(connection, caller.role)
    written = tuple((field, statement.as_string(connection)) for field, statement in statements)
    with connection.transaction(force_rollback=True):
        for field, statement in written:
            try:
                connection.execute(statement.encode())
            except psycopg.Error as error:
                raise _refused(error, field) from None
    return tuple(statement for _, statement in written)


def _setting(name: str, value: str) -> sql.Composable:
    return sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(*name.split(".")), sql.Literal(value))


def _refused(error: psycopg.Error, field: str) -> Exception:
    said = database_error(error)
    if said.sqlstate == sqlstates.INSUFFICIENT_PRIVILEGE:
        return AccessDenied(said.message, sqlstate=said.sqlstate, detail=said.detail, hint=said.hint, field=field)
    if said.sqlstate is not None and said.sqlstate.startswith(
        (sqlstates.DATA_EXCEPTION_CLASS, sqlstates.SYNTAX_OR_ACCESS_CLASS)
    ):
        return SpecError(field, said.message, sqlstate=said.sqlstate, detail=said.detail, hint=said.hint)
    return said
