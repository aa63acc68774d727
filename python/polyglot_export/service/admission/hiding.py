"""What a client is not told: a role, a setting or a condition that somebody else has given it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from polyglot_export.errors import AccessDenied, InternalError, SpecError

__all__ = ["callers_rights_hidden"]


@contextmanager
def callers_rights_hidden() -> Iterator[None]:
    """Make a refused role, setting or condition a defect of the service, whose reason only the log has: no client can
    give any of them.

    Raises:
        InternalError: In place of the refusal.
    """
    try:
        yield
    except (SpecError, AccessDenied) as error:
        if error.field is None or error.field.partition(".")[0] not in ("role", "settings", "sqlWhere"):
            raise
        raise InternalError(f"what a caller is read as: {error.message}") from None
