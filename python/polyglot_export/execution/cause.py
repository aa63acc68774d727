"""What went wrong first: one failure of an export makes others, and it is often one of those that is seen."""

from __future__ import annotations

from polyglot_export.cancel import CancelToken
from polyglot_export.errors import (
    AccessDenied,
    Cancelled,
    ConnectionLost,
    InternalError,
    PolyglotError,
    SourceChanged,
    StatementFailed,
    StatementTimeout,
)
from polyglot_export.postgres.leader import Leader
from polyglot_export.sqlstates import INVALID_PARAMETER_VALUE, LOCK_NOT_AVAILABLE, UNDEFINED_OBJECT

__all__ = ["cause_of"]

_NO_SNAPSHOT = (UNDEFINED_OBJECT, INVALID_PARAMETER_VALUE)
"""What SET TRANSACTION SNAPSHOT answers when the one who exported it is gone, from PostgreSQL 17 on and before."""


def cause_of(error: PolyglotError, leader: Leader, token: CancelToken, title: str) -> PolyglotError:
    """The cause of an error of the workers: a cancel makes them fail, and so does the loss of the leader, whose
    snapshot they import.

    Args:
        error: What was seen.
        leader: Of the moment. Nobody else may use it meanwhile.
        token: Of the export.
        title: What is read.
    """
    if isinstance(error, Cancelled):
        return error
    if token.cancelled:
        return Cancelled("the export was cancelled")
    try:
        if error.sqlstate in _NO_SNAPSHOT:
            # A backend that ends gives up its snapshot before its connection, so there may be nothing to see yet.
            leader.prove_alive()
        leader.check()
    except ConnectionLost as lost:
        return lost
    if error.sqlstate == LOCK_NOT_AVAILABLE:
        message = (
            f"another session waits to change what {title} reads, and no worker could lock it any more; start again"
        )
        return SourceChanged(message, sqlstate=error.sqlstate)
    return _without_values(error) if leader.hides_values else error


def _without_values(error: PolyglotError) -> PolyglotError:
    """The server quotes the value that it could not read, and here it may be one that a mask or a condition hides."""
    if not isinstance(error, StatementFailed) or isinstance(error, AccessDenied | StatementTimeout):
        return error
    return InternalError(
        "the database could not work out a mask, or a condition of rows, for one of the rows; the same statement in"
        f" psql tells which (SQLSTATE {error.sqlstate})"
    )
