"""Whether the logins of configured roles may have them, looked at before a configuration is in force."""

from __future__ import annotations

import threading

from polyglot_export.cancel import CancelToken
from polyglot_export.errors import AccessDenied, PolyglotError, SpecError
from polyglot_export.postgres.connect import connect
from polyglot_export.postgres.role_login import check_role_login
from polyglot_export.service.config.file import Configuration

__all__ = ["check_roles"]

SECONDS = 5.0
"""For each login. What is out of reach is looked at when it is used: each export looks, too."""


def check_roles(configuration: Configuration, dsn: str | None) -> None:
    """Look at the login of every role that the configuration names, once for each login.

    Args:
        configuration: Read, and not in force yet.
        dsn: The login of who has none of its own.

    Raises:
        SpecError: A login could do more than its role; the field says whose.
    """
    looked_at: set[str | None] = set()
    for place, rights in configuration.holders().items():
        if rights.role is None:
            continue
        login = rights.dsn(dsn)
        if login not in looked_at:
            looked_at.add(login)
            _check(place, rights.role, login)


def _check(place: str, role: str, dsn: str | None) -> None:
    token = CancelToken()
    timer = threading.Timer(SECONDS, token.cancel)
    timer.daemon = True
    timer.start()
    try:
        with connect(dsn, application_name="polyglot check", token=token) as connection:
            check_role_login(connection, role)
    except AccessDenied as error:
        if error.field == "role":
            raise SpecError(f"{place}.role", error.message) from None
    except PolyglotError:
        return
    finally:
        timer.cancel()
