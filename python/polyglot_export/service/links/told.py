"""What whoever has a link is told: nothing of its owner's rights, datasets and destinations. Why something failed is
for the owner, who asks for the export, and for the log.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from polyglot_export.errors import AccessDenied, Busy, Cancelled, PolyglotError, SpecError, TargetFailed, UnknownDataset
from polyglot_export.service import errors
from polyglot_export.service.errors import Forbidden, ServiceError
from polyglot_export.service.http.problems import PROBLEMS, problem_of
from polyglot_export.service.logs import event

__all__ = ["MAY_NOT", "shown_by_link", "told_by_link"]

MAY_NOT = "whoever made this link may not read the export any more"
_ASK = "ask whoever made this link"
_AS_IT_IS = (
    Cancelled,
    errors.ClientGone,
    errors.Expired,
    errors.NotFound,
    errors.NotReady,
    errors.PreconditionFailed,
    errors.RangeNotSatisfiable,
    errors.RangeRefused,
    errors.ServiceStopping,
    errors.SlowClient,
    errors.TooManyRequests,
    errors.UpgradeRequired,
)
"""Errors whose sentences are about the request, the link or the time alone."""
_OTHERWISE: tuple[tuple[type[PolyglotError], str], ...] = (
    (errors.WrongState, f"the export has failed or was cancelled; {_ASK}"),
    (errors.FileMissing, f"the file is not there now; try again later, or {_ASK}"),
    (TargetFailed, f"the file cannot be read; {_ASK}"),
    (Busy, "there is no room for it now; try again later"),
    (PolyglotError, f"the export cannot be made now; try again later, or {_ASK}"),
)
"""Sentences in place of those for the owner; the first one that fits."""
_TITLES = {row.code: row.title for row in PROBLEMS}

_log = logging.getLogger(__name__)


@contextmanager
def told_by_link() -> Iterator[None]:
    """Meanwhile every error says no more than whoever has a link may know."""
    try:
        yield
    except PolyglotError as error:
        told = _told(error)
        if told is not error:
            event(_log, logging.INFO, "link not followed", reason=str(error))
        raise told from None


def _told(error: PolyglotError) -> PolyglotError:
    if isinstance(error, UnknownDataset | AccessDenied | Forbidden | errors.Revoked):
        return Forbidden(MAY_NOT, audit_reason=getattr(error, "audit_reason", None) or str(error))
    if isinstance(error, SpecError):
        return SpecError(None, f"the export cannot be made any more as it was asked for; {_ASK}")
    row = problem_of(error)
    if isinstance(error, _AS_IT_IS) or row.sentence is not None or not issubclass(row.exception, PolyglotError):
        return error
    # That of the table, which decides about status and code, and is made of a sentence alone.
    told = row.exception(next(sentence for kind, sentence in _OTHERWISE if isinstance(error, kind)))
    if isinstance(error, ServiceError) and isinstance(told, ServiceError):
        told.headers = error.headers
    return told


def shown_by_link(members: dict[str, Any]) -> dict[str, Any]:
    """An event without whose export it is, where it goes, and why it failed.

    Args:
        members: For its owner.
    """
    shown = {name: value for name, value in members.items() if name != "owner"}
    if shown.get("delivered") is not None:
        shown["delivered"] = {name: value for name, value in shown["delivered"].items() if name != "destination"}
    if (error := shown.get("error")) is not None:
        shown["error"] = {
            **dict.fromkeys(error),
            "code": error["code"],
            "message": _TITLES.get(error["code"], "Failed"),
        }
    return shown
