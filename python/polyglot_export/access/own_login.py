"""The own login of a caller: a connection string without a password, or a variable of the environment that has one."""

from __future__ import annotations

import os
import re

from polyglot_export.errors import ConnectionFailed, InternalError, SpecError
from polyglot_export.fields import read_text
from polyglot_export.postgres.dsn import read_dsn

__all__ = ["dsn_of", "missing_variable", "read_database"]

_VARIABLE = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
_SECRETS = ("password", "sslpassword", "oauth_client_secret")


def read_database(given: object) -> str | None:
    """Check what a configuration has.

    Raises:
        SpecError: It is neither, or has a password: a configuration holds no secret, and what is kept of a caller's
            rights with its exports holds none either.
    """
    if given is None:
        return None
    text = read_text(given)
    if text.startswith("env:"):
        if _VARIABLE.fullmatch(text) is None:
            raise SpecError(None, "must be env: and the name of a variable, as env:TENANT_A_DSN")
        return text
    try:
        parameters = read_dsn(text)
    except ConnectionFailed as error:
        raise SpecError(None, error.message) from None
    if not parameters:
        raise SpecError(None, "must be a connection string, or env: and the name of a variable that has one")
    if any(name in parameters for name in _SECRETS):
        raise SpecError(
            None,
            "must not have a password: put the whole connection string into a variable and write env: and its name,"
            " or keep the password in a .pgpass file",
        )
    return text


def missing_variable(database: str | None) -> str | None:
    """The name of the variable that is not set; ``None`` where nothing is missing."""
    found = _VARIABLE.fullmatch(database or "")
    return found[1] if found is not None and not os.environ.get(found[1]) else None


def dsn_of(database: str | None, otherwise: str | None) -> str | None:
    """The connection string.

    Args:
        database: What the configuration has.
        otherwise: The service's own, for who has none.

    Raises:
        InternalError: The variable is not set (any more).
    """
    if database is None:
        return otherwise
    found = _VARIABLE.fullmatch(database)
    if found is None:
        return database
    missing = missing_variable(database)
    if missing is not None:
        raise InternalError(f"what a caller is read as: the variable {missing} is not set")
    return os.environ[found[1]]
