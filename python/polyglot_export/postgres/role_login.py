"""Whether a login may do no more than the roles that it can become.

Code inside the database can set the role back to the login's own (``RESET ROLE`` in a function that a view calls), so
the login must have no rights to win: it is no superuser, row policies hold for it, and it inherits from nobody (the
``NOINHERIT`` login of PostgREST; PostgreSQL manual, "Role Membership").
"""

from __future__ import annotations

import psycopg

from polyglot_export.errors import AccessDenied
from polyglot_export.postgres.errors import database_error

__all__ = ["check_role_login", "login_problem"]

_LOGIN = """
SELECT l.rolname, l.rolsuper, l.rolbypassrls,
    (SELECT min(g.rolname) FROM pg_catalog.pg_roles AS g
     WHERE g.oid <> l.oid AND NOT l.rolsuper AND pg_catalog.pg_has_role(l.oid, g.oid, 'USAGE'))
FROM pg_catalog.pg_roles AS l WHERE l.rolname = SESSION_USER
"""
"""The privilege USAGE on a role is to have its rights without SET ROLE: through ``rolinherit`` before PostgreSQL 16,
and by each membership's own option since."""


def login_problem(connection: psycopg.Connection) -> str | None:
    """Why no role may be set from the login of this connection; ``None`` where one may.

    Args:
        connection: In autocommit mode, or in a transaction without a role of its own.

    Raises:
        PolyglotError: The database does not answer.
    """
    try:
        row = connection.execute(_LOGIN.encode()).fetchone()
    except psycopg.Error as error:
        raise database_error(error) from None
    if row is None:
        return "its login is not in the catalogue"
    login, is_superuser, bypasses, inherited = row
    if is_superuser:
        return f"its login {login!r} is a superuser"
    if bypasses:
        return f"its login {login!r} has BYPASSRLS"
    if inherited is not None:
        return f"its login {login!r} inherits the rights of {inherited!r}"
    return None


def check_role_login(connection: psycopg.Connection, role: str) -> None:
    """Refuse a role whose login could do more than the role.

    Raises:
        AccessDenied: It could; the sentence has both names and the reason.
    """
    problem = login_problem(connection)
    if problem is not None:
        raise AccessDenied(
            f"the role {role!r} cannot be set, since {problem}, and code in the database could set the role back;"
            " connect with a NOINHERIT login that has no rights but to become the role, or give the caller a database"
            " login of its own",
            field="role",
        )
