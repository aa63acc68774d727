"""What the audit log tells: a record for each kind of event.

``docs/reference/audit.schema.json`` is made of these records and of their docstrings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

__all__ = [
    "KINDS",
    "AuditEvent",
    "ConfigurationRefused",
    "ConfigurationReloaded",
    "DatasetRead",
    "ExportCreated",
    "ExportEnded",
    "FileSent",
    "LinkMade",
    "LinkRevoked",
    "LinkUsed",
    "LogResumed",
    "PreviewRead",
    "RequestRefused",
    "RunBegun",
    "RunEnded",
    "ServiceStarted",
    "ServiceStopped",
    "Term",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """What every line has."""

    name: ClassVar[str]
    """The value of ``event``."""

    caller: str | None = None
    """Name of the key; for a token the issuer's name, a colon and the subject; what an app calls its caller."""
    address: str | None = None
    """Of the client that sent the request; null for what runs by itself."""
    export_id: str | None = None
    """Of the export that it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One term of a filter."""

    column: str
    op: str
    value: Any = None
    """The kind of its value, such as "string" or "3 numbers"; the value itself where POLYGLOT_AUDIT_VALUES is set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRead:
    """What is read of one dataset."""

    dataset: str | None
    columns: tuple[str, ...] | None = None
    """Null for all that the caller may read."""
    filter: tuple[Term, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Of a configured query, by name; of the values the same as in filters."""
    order_by: tuple[str, ...] = ()
    limit: int | None = None
    split_by: str | None = None
    """The column whose values the rows are shared out by, and come in the order of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportCreated(AuditEvent):
    """An export is being saved. What runs in the background runs from now on."""

    name = "export.created"
    datasets: tuple[DatasetRead, ...]
    format: str
    delivery: str
    destination: str | None = None
    webhook: str | None = None
    role: str | None = None
    """Of the database; null for that of the login."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRead(AuditEvent):
    """The first rows of a dataset are about to be read and shown."""

    name = "preview.read"
    dataset: DatasetRead
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBegun(AuditEvent):
    """A run begins: nothing of it has been read or sent."""

    name = "run.begun"
    run: int
    datasets: tuple[str | None, ...]
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(AuditEvent):
    """A run is over."""

    name = "run.ended"
    run: int
    outcome: Literal["completed", "failed", "cancelled"]
    """Cancelled by its owner, or by a client that went away."""
    code: str | None = None
    """Of the problem, where it did not complete."""
    snapshot: str | None = None
    rows: int = 0
    bytes: int = 0
    """Handed to the client, or written."""
    sha256: str | None = None
    """Of a prepared file, or of the manifest of a delivery."""
    seconds: float | None = None
    losses: Mapping[str, int] = field(default_factory=dict)
    """Values that were declared as lost, by column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSent(AuditEvent):
    """A file that was made before is about to be sent, or a link to it in an object store."""

    name = "file.sent"
    dataset: str | None
    file: str | None = None
    """Of several, its path in the destination."""
    sha256: str
    """Of the whole file."""
    bytes: int
    """Of the whole file."""
    range: str | None = None
    """What the client asked for of it, where that is not all."""
    by_link: bool = False
    """Whether the client gets a link for ten minutes, and not the bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkMade(AuditEvent):
    """A link to an export is being made, with which it can be read without a key."""

    name = "link.made"
    link_id: str
    expires_at: datetime
    once: bool
    file: int | None = None
    """Of the files of a set its number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkUsed(AuditEvent):
    """Somebody follows a link; ``caller`` is its owner, ``address`` that of whoever follows it."""

    name = "link.used"
    link_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRevoked(AuditEvent):
    """A link's owner takes it back."""

    name = "link.revoked"
    link_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportEnded(AuditEvent):
    """Its owner has cancelled an export, or forgotten one that was over."""

    name = "export.deleted"
    running: bool
    """Whether it ran, or waited to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRefused(AuditEvent):
    """Somebody was not let in (401), may not do this (403), or has used up what they may (429)."""

    name = "request.refused"
    status: Literal[401, 403, 429]
    reason: str
    """More than the client was told."""
    method: str
    path: str
    """Without the query."""
    omitted: int = 0
    """Refusals before it that have no line, because more than a hundred came in a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationReloaded(AuditEvent):
    """The configuration was read again and applies."""

    name = "configuration.reloaded"
    keys: tuple[str, ...]
    """Names of the keys that hold now."""
    issuers: tuple[str, ...]
    """Names of the issuers that hold now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationRefused(AuditEvent):
    """The configuration was read again, is wrong, and changes nothing."""

    name = "configuration.refused"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogResumed(AuditEvent):
    """The log can be written again. Lines of what has happened meanwhile stand behind this one."""

    name = "log.resumed"
    since: datetime
    """When it was found that it cannot be written."""
    reason: str
    lost: int
    """Lines that there was no room for, most of them refusals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStarted(AuditEvent):
    """The service takes requests."""

    name = "service.started"
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStopped(AuditEvent):
    """The service has ended in an orderly way."""

    name = "service.stopped"


KINDS: tuple[type[AuditEvent], ...] = (
    ExportCreated,
    PreviewRead,
    RunBegun,
    RunEnded,
    FileSent,
    LinkMade,
    LinkUsed,
    LinkRevoked,
    ExportEnded,
    RequestRefused,
    ConfigurationReloaded,
    ConfigurationRefused,
    LogResumed,
    ServiceStarted,
    ServiceStopped,
)
"""All kinds, in the order in which the documentation has them."""
