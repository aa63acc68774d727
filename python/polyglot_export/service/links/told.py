"""What whoever has a link is told: nothing of its owner's rights, datasets and destinations. Why something failed is
for the owner, who asks for the export, and for the log.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from polyglot_export.errors import (
    AccessDenied,
    Busy,
    PolyglotError,
    SpecError,
    StatementFailed,
    TargetFailed,
    UnknownDataset,
)
from polyglot_export.service.errors import FileMissing, Forbidden, Revoked, WrongState
from polyglot_export.service.http.problems import PROBLEMS
from polyglot_export.service.logs import event

__all__ = ["MAY_NOT", "shown_by_link", "told_by_link"]

MAY_NOT = "whoever made this link may not read the export any more"
_ASK = "ask whoever made this link"
_OTHERWISE: tuple[tuple[type[PolyglotError], str], ...] = (
    (SpecError, f"the export cannot be made any more as it was asked for; {_ASK}"),
    (WrongState, f"the export has failed or was cancelled; {_ASK}"),
    (FileMissing, f"the file is not there now; try again later, or {_ASK}"),
    (TargetFailed, f"the file cannot be read; {_ASK}"),
    (Busy, "there is no room for it now; try again later"),
)
"""Sentences in place of those for the owner."""
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
    if isinstance(error, UnknownDataset | AccessDenied | Forbidden | Revoked):
        return Forbidden(MAY_NOT, audit_reason=getattr(error, "audit_reason", None) or str(error))
    if isinstance(error, StatementFailed):
        # Its class and code decide about the status.
        return type(error)(f"the database refused the statement; {_ASK}", sqlstate=error.sqlstate)
    for kind, sentence in _OTHERWISE:
        if isinstance(error, kind):
            return SpecError(None, sentence) if kind is SpecError else kind(sentence)
    return error


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
