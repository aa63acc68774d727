"""What a response says of a file before it has its bytes, and of an export that did not begin."""

from __future__ import annotations

from typing import NamedTuple

from polyglot_export import errors, sqlstates
from polyglot_export.request.spec import ExportSpec
from polyglot_export.text.file_names import disposition, safe_name

__all__ = ["HTTP_1_0", "RANGED", "Refusal", "file_headers", "is_http_1_0", "refusal_of"]

RETRY_AFTER = 5
"""Seconds that a client is asked to wait after a 503: long enough for a short export to end."""
_OF_THE_APP = frozenset(
    {"role", "settings", "workers", "rate_limit", "lock_timeout", "idle_timeout", "min_rate", "dsn"}
)
"""Arguments of a response that no client chooses: what is wrong with them, the client cannot mend."""
_AWAY = "the database cannot be reached at the moment; try again later"


class Refusal(NamedTuple):
    """An answer in place of the file."""

    status: int
    detail: str
    """One sentence for whoever asked."""
    headers: dict[str, str]


def refusal_of(error: errors.PolyglotError) -> Refusal | None:
    """How an export is refused that failed before its first byte; ``None`` for what is a failure of the server, whose
    reason is for its log.
    """
    if isinstance(error, errors.SpecError | errors.AccessDenied) and _is_of_the_app(error.field):
        return None
    later = {"Retry-After": str(RETRY_AFTER)}
    if isinstance(error, errors.ConnectionFailed | errors.ConnectionLost):
        return Refusal(503, _AWAY, later)
    if isinstance(error, errors.Busy | errors.SourceChanged):
        return Refusal(503, str(error), later)
    if isinstance(error, errors.AccessDenied):
        return Refusal(403, str(error), {})
    if isinstance(error, errors.SpecError | errors.UnsupportedValue):
        return Refusal(400, str(error), {})
    if isinstance(error, errors.StatementFailed) and (error.sqlstate or "").startswith(
        sqlstates.INSUFFICIENT_RESOURCES_CLASS
    ):
        return Refusal(503, "the database has no room for another export now; try again later", later)
    return None


def _is_of_the_app(field: str | None) -> bool:
    return (field or "").partition(".")[0] in _OF_THE_APP


HTTP_1_0 = Refusal(
    426,
    "a stream is not sent over HTTP/1.0, where a broken download looks complete; use HTTP/1.1 (nginx: "
    "proxy_http_version 1.1)",
    {"Upgrade": "HTTP/1.1"},
)
RANGED = Refusal(412, "a stream has no ranges: two exports would be joined into one file; ask for all of it", {})


def is_http_1_0(version: str) -> bool:
    """Whether a server's words for the version of a request mean HTTP/1.0: ``1.0``, ``1`` (granian), ``HTTP/1.0``."""
    return version.removeprefix("HTTP/") in {"1.0", "1", "0.9"}


def file_headers(spec: ExportSpec, filename: str | None, *, stem: str | None = None) -> dict[str, str]:
    """The headers of the file.

    Args:
        spec: What is exported. A compressed file stays one: it is no encoding that the client undoes.
        filename: What the browser calls the file; the name of the table and the format's ending where there is none.
        stem: What the table is called where the spec names none.
    """
    record = spec.format.record
    media_type = record.content_type(spec.options)
    ending = record.endings[0]
    if spec.compression is not None:
        media_type = spec.compression.record.media_type
        ending += spec.compression.record.ending
    table = stem or (spec.dataset.rpartition(".")[2] if isinstance(spec.dataset, str) else "export")
    name = safe_name(filename) if filename is not None else ""
    return {
        "Content-Type": media_type,
        "Content-Disposition": disposition(name or f"{safe_name(table) or 'export'}{ending}"),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Accept-Ranges": "none",
        # Keeps middleware and proxies from compressing it. Django's GZipMiddleware makes a gzip member of each chunk of
        # an asynchronous body, of which browsers take the first for the whole file.
        "Content-Encoding": "identity",
        # nginx would otherwise keep the stream in a file before it passes it on.
        "X-Accel-Buffering": "no",
    }
