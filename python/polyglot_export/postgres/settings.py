"""The settings under which leader and workers read: the rules of ``docs/formats/types.md``, one ``SET LOCAL`` each.

They are statements, not calls of ``set_config``: a SELECT would take the snapshot before the locks are held.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import psycopg
from psycopg import sql

from polyglot_export import sqlstates
from polyglot_export.errors import SpecError
from polyglot_export.postgres.errors import database_error
from polyglot_export.postgres.names import is_text

__all__ = [
    "BEGIN",
    "NAME_SETTINGS",
    "TABLE_SETTINGS",
    "WORKER_SETTINGS",
    "lock_setting",
    "path_setting",
    "session_settings",
    "worker_settings",
    "zone_setting",
]

BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
"""Said wherever a statement may need a snapshot: a standby has none for the level that a login may have as its default
(``default_transaction_isolation = serializable``)."""
NAME_SETTINGS = (
    "SET LOCAL standard_conforming_strings = 'on'",
    "SET LOCAL quote_all_identifiers = 'off'",
    "SET LOCAL client_min_messages = 'warning'",
)
"""For short looks into the catalogue: how literals are read and how names are printed."""

_FIXED = {
    # How values and names are printed.
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    # How literals of filters are read.
    "array_nulls": "on",
    "transform_null_equals": "off",
    "timezone_abbreviations": "Default",
    "xmloption": "content",
    "xmlbinary": "base64",
    # The order of rows: a sequential scan that joins another one would start in the middle, and a planner that must
    # not take one reads the rows by an index.
    "synchronize_seqscans": "off",
    "enable_seqscan": "on",
    "seq_page_cost": "1",
    # Segments are short statements: compiling each costs more than it saves.
    "jit": "off",
    "enable_tidscan": "on",
    # Any other value lets a GIN index leave rows out.
    "gin_fuzzy_search_limit": "0",
    # Our own limits take the place of the server's, and policies always apply.
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "row_security": "on",
    # A server that waits for a slow reader must not take it for one that is gone; the other one ends the connection
    # when we ask for something that may be refused.
    "tcp_user_timeout": "0",
    "exit_on_error": "off",
    "client_min_messages": "warning",
}
TABLE_SETTINGS = ("SET LOCAL max_parallel_workers_per_gather = '0'",)
"""For tables: parallelism is ours there, and a Gather would give the rows in another order each time."""

WORKER_SETTINGS = ("SET LOCAL lock_timeout = '5s'",)
"""For the workers. The leader holds every lock already, so a worker waits for one only behind a session that itself
waits for the leader: neither would ever end, and the server's deadlock detector cannot see that the leader waits for
the worker. Five seconds let that session give up first, as careful migrations do; then the export fails visibly
(SQLSTATE 55P03)."""

_LOSING = ("zero_damaged_pages", "ignore_checksum_failure")
"""With these on, pages that cannot be read are taken for empty or whole ones: rows are missing or wrong, and nothing
says so. Only some logins may turn them off; for the others the server's refusal is the error."""
_LATER = (
    # A client that is gone is noticed within a second while a query runs for it.
    (140000, "client_connection_check_interval", "1s"),
    (170000, "transaction_timeout", "0"),
)
"""Settings that came with a later version (``server_version_num``)."""

_NOWHERE = "''"
_PATH_NAME = re.compile(r'("(?:[^"]|"")+")|([^\s,"]+)')

_UNKNOWN_OR_UNSUPPORTED = frozenset({sqlstates.UNDEFINED_OBJECT, sqlstates.INVALID_PARAMETER_VALUE})


def session_settings(connection: psycopg.Connection, time_zone: str, *, views: bool) -> tuple[str, ...]:
    """The ``SET LOCAL`` statements for this server, each tried in a transaction that is rolled back.

    Args:
        connection: The leader's, in autocommit mode and outside a transaction.
        time_zone: Zone of timestamptz in text.
        views: Whether views may be read; if not, servers that can are told to refuse them.

    Raises:
        SpecError: The server does not know the time zone.
        PolyglotError: What else the server said, or that it is gone.
    """
    fixed = [_set(name, value) for name, value in _FIXED.items()]
    optional = [_set(name, value) for since, name, value in _LATER if connection.info.server_version >= since]
    if not views:
        optional.append(_set("restrict_nonsystem_relation_kind", "view"))
    zone = zone_setting(connection, time_zone)
    try:
        losing, taken = _tried(connection, [zone, *fixed, *optional])
        if losing:
            fixed += losing
            _, taken = _tried(connection, [zone, *fixed, *optional])
        if taken:
            return (zone, *fixed, *optional)
        return _one_by_one(connection, time_zone, fixed, optional)
    except psycopg.Error as error:
        raise database_error(error) from None


def _tried(connection: psycopg.Connection, settings: Sequence[str]) -> tuple[list[str], bool]:
    """Try all of them in one message.

    Returns:
        What turns those of :data:`_LOSING` off that are on without it, and whether the server takes the settings.
    """
    shows = [f"SHOW {name}" for name in _LOSING]
    try:
        cursor = connection.execute("; ".join([*shows, BEGIN, *settings, "ROLLBACK"]).encode())
    except psycopg.Error as error:
        if error.sqlstate not in _UNKNOWN_OR_UNSUPPORTED:
            raise
        connection.rollback()
        return _losing(connection.execute("; ".join(shows).encode())), False
    return _losing(cursor), True


def _losing(cursor: psycopg.Cursor) -> list[str]:
    """Reads the answers to SHOW, which takes no snapshot."""
    found = []
    for name in _LOSING:
        row = cursor.fetchone()
        if row is not None and row[0] == "on":
            found.append(_set(name, "off"))
        cursor.nextset()
    return found


def _one_by_one(
    connection: psycopg.Connection, time_zone: str, fixed: Sequence[str], optional: Sequence[str]
) -> tuple[str, ...]:
    """Those that the server takes. Not every platform can watch its clients, not every minor version refuses views."""
    zone = zone_setting(connection, time_zone)
    with connection.transaction(force_rollback=True):
        connection.execute("; ".join(fixed).encode())
        accepted = [statement for statement in optional if _accepted(connection, statement)]
        try:
            connection.execute(zone.encode())
        except psycopg.errors.InvalidParameterValue as error:
            reason = f"the server does not know the time zone {time_zone!r}"
            raise SpecError("options.timeZone", reason, sqlstate=error.sqlstate) from None
    return (zone, *fixed, *accepted)


def worker_settings(connection: psycopg.Connection) -> tuple[str, ...]:
    """What a worker sets after all others, so that it gets bytes as they are stored.

    An SQL_ASCII database holds any bytes. A server that is to send them as UTF8 refuses those that are not, and says
    neither row nor column (PostgreSQL manual, "Character Set Support"); sent as they are, csv passes them on and the
    encoders of the other formats name both.
    """
    if connection.info.parameter_status("server_encoding") != "SQL_ASCII":
        return WORKER_SETTINGS
    return (*WORKER_SETTINGS, _set("client_encoding", "SQL_ASCII"))


def lock_setting(seconds: float | None) -> str:
    """How long the leader waits for a lock; the setting of the login does not count, as with all other limits."""
    return _set("lock_timeout", "0" if seconds is None else f"{max(1, round(seconds * 1000))}ms")


def path_setting(path: str) -> tuple[str, ...]:
    """The search path by which the leader found what is read. That of the login may be another one by the time a worker
    connects (ALTER ROLE).

    Args:
        path: As SHOW has it. Names in quotes are taken as they are, others in lower case (PostgreSQL's varlena.c,
            ``SplitIdentifierString``). One that is not UTF-8 cannot be set.
    """
    if not is_text(path):
        return ()
    names = [quoted or f'"{_lowered(bare)}"' for quoted, bare in _PATH_NAME.findall(path)]
    return (f"SET LOCAL search_path = {', '.join(names) or _NOWHERE}",)


def _lowered(name: str) -> str:
    """As the server does it where a letter may have several bytes: the others stay."""
    return re.sub("[A-Z]+", lambda found: found[0].lower(), name)


def zone_setting(connection: psycopg.Connection, time_zone: str) -> str:
    """The zone of timestamptz in text. The server may not know it."""
    return "SET LOCAL TimeZone = " + sql.Literal(time_zone).as_string(connection)


def _set(name: str, value: str) -> str:
    # Names and values are the constants above.
    return f"SET LOCAL {name} = '{value}'"


def _accepted(connection: psycopg.Connection, statement: str) -> bool:
    try:
        with connection.transaction():
            connection.execute(statement.encode())
    except psycopg.Error as error:
        if error.sqlstate not in _UNKNOWN_OR_UNSUPPORTED:
            raise database_error(error) from None
        return False
    return True
