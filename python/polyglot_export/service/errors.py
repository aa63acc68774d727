"""The errors that only the HTTP service raises; ``http/problems.py`` has the status and the code of each."""

from __future__ import annotations

from collections.abc import Mapping

from polyglot_export.errors import PolyglotError

__all__ = [
    "AuditAway",
    "BodyTooLarge",
    "ClientGone",
    "Expired",
    "FileMissing",
    "Forbidden",
    "HeaderTooLarge",
    "KeyReused",
    "LinksOff",
    "MalformedRequest",
    "MethodNotAllowed",
    "Misconfigured",
    "NotFound",
    "NotReady",
    "Overloaded",
    "PreconditionFailed",
    "RangeNotSatisfiable",
    "RangeRefused",
    "ReplicaLost",
    "Revoked",
    "ServiceError",
    "ServiceStopping",
    "SlowClient",
    "SpoolFull",
    "TooManyRequests",
    "TookTooLong",
    "Unauthorized",
    "UnsupportedMediaType",
    "UpgradeRequired",
    "WrongState",
]


class ServiceError(PolyglotError):
    """What only the HTTP service raises; ``headers`` go into the answer, ``audit_reason`` into the audit log alone."""

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        audit_reason: str | None = None,
    ) -> None:
        super().__init__(message, field=field)
        self.headers = dict(headers or {})
        self.audit_reason = audit_reason


class MalformedRequest(ServiceError):
    """The bytes of the request are not what HTTP or JSON allow."""


class Unauthorized(ServiceError):
    """No key, or one that is not known."""


class Forbidden(ServiceError):
    """The caller is known and may not do this."""


class Revoked(ServiceError):
    """The caller was known when the call began, and is not any more."""


class Misconfigured(ServiceError):
    """Nothing that is configured can run."""


class NotFound(ServiceError):
    """Nothing of that name exists for this caller."""


class MethodNotAllowed(ServiceError):
    """The address exists; the method does not."""


class WrongState(ServiceError):
    """The job cannot do that in its present state."""


class KeyReused(ServiceError):
    """The Idempotency-Key belongs to another request."""


class LinksOff(ServiceError):
    """The service has no key that it could sign links with."""


class ReplicaLost(ServiceError):
    """The process that ran the export did not renew its lease, and another replica has declared it failed."""


class Expired(ServiceError):
    """The job's retention time has passed."""


class NotReady(ServiceError):
    """The file of the job is being prepared."""


class FileMissing(ServiceError):
    """The file of the job is not in the spool of this replica."""


class SpoolFull(ServiceError):
    """The spool has no room for the file."""


class PreconditionFailed(ServiceError):
    """A condition of the request about the file does not hold."""


class RangeNotSatisfiable(ServiceError):
    """No range of the request has a byte of the file."""


class RangeRefused(ServiceError):
    """A part of a stream was asked for; two runs of an export are two different files."""


class AuditAway(ServiceError):
    """The audit log cannot be written."""


class BodyTooLarge(ServiceError):
    """The body is larger than the limit."""


class UnsupportedMediaType(ServiceError):
    """The body is not declared as JSON."""


class UpgradeRequired(ServiceError):
    """A stream over HTTP/1.0, where a cut cannot be seen."""


class HeaderTooLarge(ServiceError):
    """The head of the request is larger than the limit."""


class Overloaded(ServiceError):
    """There are more clients, or larger requests, than the service has room for."""


class TooManyRequests(ServiceError):
    """The caller has reached a limit of its own (RFC 6585, section 4)."""


class ServiceStopping(ServiceError):
    """The service is being shut down."""


class ClientGone(ServiceError):
    """The client closed the connection before the end."""


class SlowClient(ServiceError):
    """The client took too few bytes, or sent none, for too long."""


class TookTooLong(ServiceError):
    """The run did not end within the time that the service allows."""
