"""Errors as HTTP answers: one table from exception class to status, code and title, and problem+json (RFC 9457).

Every error answer of the service is made here. Its ``detail`` is one sentence for a person; ``error`` repeats it for
clients of the reference system; ``code`` is stable and meant for programs. ``docs/reference/errors.md`` is tested
against the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from polyglot_export import errors, sqlstates
from polyglot_export.errors import PolyglotError, cut
from polyglot_export.jobs.job import REPLICA_LOST
from polyglot_export.jobs.stores.base import StoreAway
from polyglot_export.service import errors as service_errors
from polyglot_export.service.errors import ServiceError

__all__ = [
    "PROBLEMS",
    "Problem",
    "ProblemView",
    "document",
    "problem_of",
    "sentence",
]

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:problem-type:polyglot-export:"
RETRY_AFTER = 5
"""Seconds that a client is asked to wait after a 503: long enough for a short export to end."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One row of the table."""

    exception: type[BaseException]
    status: int
    code: str
    title: str
    retry: bool = False
    """Answer with ``Retry-After``: the same request may succeed later."""
    sentence: str | None = None
    """What the client reads in place of the exception's own message, which then stays in the log."""


_AWAY = "The database cannot be reached at the moment; try again later."
_LOST = "The connection to the database was lost; try again later."
_STORE_AWAY = "The store of the exports cannot be reached at the moment; try again later."
_DEFECT = "The service failed because of a defect of its own; its log has the reason."

PROBLEMS: tuple[Problem, ...] = (
    Problem(errors.SpecError, 400, "bad-request", "The request is wrong"),
    Problem(errors.UnknownDataset, 400, "unknown-dataset", "No such dataset"),
    Problem(errors.UnsupportedValue, 400, "unsupported-value", "The format cannot hold a value"),
    Problem(errors.RowTooLarge, 400, "row-too-large", "A row is larger than the limit"),
    Problem(service_errors.MalformedRequest, 400, "malformed-request", "The request cannot be read"),
    Problem(service_errors.Unauthorized, 401, "unauthorized", "A valid key or login is needed"),
    Problem(service_errors.Forbidden, 403, "forbidden", "Not allowed"),
    Problem(service_errors.Revoked, 403, "revoked", "The caller is not known any more"),
    Problem(errors.AccessDenied, 403, "access-denied", "The database login may not read it"),
    Problem(service_errors.NotFound, 404, "not-found", "Not found"),
    Problem(service_errors.MethodNotAllowed, 405, "method-not-allowed", "Method not allowed"),
    Problem(service_errors.SlowClient, 408, "slow-client", "The client was too slow"),
    Problem(service_errors.WrongState, 409, "wrong-state", "Not possible in this state"),
    Problem(service_errors.NotReady, 409, "not-ready", "The file is being prepared", retry=True),
    Problem(service_errors.KeyReused, 409, "idempotency-key-reused", "The key belongs to another request"),
    Problem(errors.Cancelled, 409, "cancelled", "The export was cancelled"),
    Problem(service_errors.Expired, 410, "expired", "The export has expired"),
    Problem(service_errors.PreconditionFailed, 412, "precondition-failed", "A condition does not hold"),
    Problem(service_errors.RangeRefused, 412, "range-refused", "A stream has no ranges"),
    Problem(service_errors.BodyTooLarge, 413, "body-too-large", "The body is too large"),
    Problem(service_errors.UnsupportedMediaType, 415, "unsupported-media-type", "The body must be JSON"),
    Problem(service_errors.RangeNotSatisfiable, 416, "range-not-satisfiable", "No such part of the file"),
    Problem(service_errors.UpgradeRequired, 426, "upgrade-required", "HTTP/1.1 is needed"),
    Problem(service_errors.TooManyRequests, 429, "too-many-requests", "A limit of the caller is reached", retry=True),
    Problem(service_errors.HeaderTooLarge, 431, "header-too-large", "The request's head is too large"),
    Problem(service_errors.ClientGone, 499, "client-gone", "The client went away"),
    Problem(errors.StatementFailed, 500, "statement-failed", "The database refused the statement"),
    Problem(errors.MalformedData, 500, "malformed-data", "The database sent what is not its protocol"),
    Problem(errors.ManifestError, 500, "manifest-failed", "A manifest cannot be read or written"),
    Problem(errors.TargetFailed, 500, "target-failed", "The target took no more"),
    Problem(errors.InternalError, 500, "internal-error", "A defect of the service", sentence=_DEFECT),
    Problem(errors.PolyglotError, 500, "failed", "The export failed"),
    Problem(Exception, 500, "internal-error", "A defect of the service", sentence=_DEFECT),
    Problem(service_errors.LinksOff, 501, "links-off", "Links are not set up"),
    Problem(errors.ConnectionFailed, 503, "database-away", "The database is out of reach", retry=True, sentence=_AWAY),
    Problem(errors.ConnectionLost, 503, "database-lost", "The database went away", retry=True, sentence=_LOST),
    Problem(errors.SourceChanged, 503, "source-changed", "The table was being rewritten", retry=True),
    Problem(errors.Busy, 503, "busy", "No room for another export now", retry=True),
    Problem(service_errors.Misconfigured, 503, "misconfigured", "Nothing can run", retry=True),
    Problem(service_errors.Overloaded, 503, "overloaded", "Too many clients now", retry=True),
    Problem(service_errors.SpoolFull, 503, "spool-full", "No room for another file now", retry=True),
    Problem(service_errors.FileMissing, 503, "file-missing", "The file is not here", retry=True),
    Problem(service_errors.AuditAway, 503, "audit-away", "The audit log cannot be written", retry=True),
    Problem(StoreAway, 503, "store-away", "The job store is out of reach", retry=True, sentence=_STORE_AWAY),
    Problem(service_errors.ReplicaLost, 503, REPLICA_LOST, "The replica was lost", retry=True),
    Problem(service_errors.ServiceStopping, 503, "stopping", "The service is being shut down", retry=True),
    Problem(service_errors.TookTooLong, 504, "took-too-long", "The export took too long"),
    Problem(errors.StatementTimeout, 504, "database-timeout", "The database took too long"),
)
"""Rows in the order of their status; the row of an exception is that of its nearest class."""

_BY_CLASS = {row.exception: row for row in PROBLEMS}
_STATEMENT_TIMEOUTS = frozenset({sqlstates.LOCK_NOT_AVAILABLE, sqlstates.QUERY_CANCELED})
"""A limit of the server's ran out."""
_TRY_LATER = (sqlstates.INSUFFICIENT_RESOURCES_CLASS, sqlstates.CANNOT_CONNECT_NOW)
"""The same request may succeed when the server has room again, or has started."""


def problem_of(error: BaseException) -> Problem:
    """The row of the table for an exception."""
    if isinstance(error, errors.StatementFailed) and error.sqlstate:
        if error.sqlstate in _STATEMENT_TIMEOUTS:
            return _BY_CLASS[errors.StatementTimeout]
        if error.sqlstate.startswith(_TRY_LATER):
            return _BY_CLASS[errors.Busy]
    for cls in type(error).__mro__:
        row = _BY_CLASS.get(cls)
        if row is not None:
            return row
    return _BY_CLASS[Exception]


def sentence(error: BaseException) -> str:
    """The one sentence a client reads about an error; never more than the client may know."""
    row = problem_of(error)
    return row.sentence or str(error)


def document(error: BaseException, instance: str | None = None) -> tuple[int, dict[str, str], dict[str, Any]]:
    """An error as the status, headers and body of its answer.

    Args:
        error: Any exception.
        instance: The path of the request, for the ``instance`` member.
    """
    row = problem_of(error)
    text = row.sentence or str(error)
    body: dict[str, Any] = {"type": TYPE_PREFIX + row.code, "title": row.title, "status": row.status, "detail": text}
    if instance is not None:
        body["instance"] = cut(instance)
    body["code"] = row.code
    body["error"] = text
    if isinstance(error, PolyglotError) and row.sentence is None:
        body |= _attributes(error)
    headers = dict(error.headers) if isinstance(error, ServiceError) else {}
    if row.retry:
        headers.setdefault("Retry-After", str(RETRY_AFTER))
    return row.status, headers, body


def _attributes(error: PolyglotError) -> dict[str, Any]:
    """The data that an error carries beside its sentence; the server's DETAIL is left out, as it can quote other
    rows.
    """
    names = ("field", "sqlstate", "hint", "row", "column")
    found = {name: getattr(error, name) for name in names}
    return {name: cut(value) if isinstance(value, str) else value for name, value in found.items() if value is not None}


class ProblemView(BaseModel):
    """Problem details (RFC 9457); ``error`` repeats ``detail`` for clients of the reference system."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    error: str
    instance: str | None = None
    field: str | None = None
    sqlstate: str | None = None
    hint: str | None = None
    row: int | None = None
    column: str | None = None
