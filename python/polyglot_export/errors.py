"""Every error that this package raises on purpose.

    PolyglotError
    ├── SpecError              the request is wrong: unknown column, bad option, duplicate target (also a ValueError)
    │   └── UnknownDataset     the table, view or dataset does not exist or is not exposed
    ├── ConnectionFailed       the database cannot be reached or refused the login
    ├── ConnectionLost         a connection that worked ended in the middle
    ├── StatementFailed        the database answered a statement with an error
    │   ├── AccessDenied       … because the login may not read it (SQLSTATE 42501)
    │   └── StatementTimeout   … because the server's time for it ran out (SQLSTATE 57014 and like)
    ├── SourceChanged          a relation was rewritten or dropped while its moment was being taken
    ├── UnsupportedValue       a value that the format cannot hold; names row and column
    │   └── RowTooLarge        a row beyond the limit that keeps memory bounded
    ├── MalformedData          bytes from the server that are not the protocol
    ├── ManifestError          a manifest that is none, was changed, or is of a later version of this program
    ├── TargetFailed           the file, pipe or object store took no more (disk full, no right)
    ├── Busy                   no memory or connection is free for another export now
    ├── Cancelled              someone asked the export to stop
    └── InternalError          a defect of this package

Attributes are data, not text to parse: ``sqlstate``, ``detail`` and ``hint`` are the server's own
(PostgreSQL manual, "PostgreSQL Error Codes"), ``row`` counts from 1, ``column`` is the source's name, and
``field`` names the part of the request that a :class:`SpecError` is about.
"""

from __future__ import annotations

import re
from contextlib import suppress

from polyglot_export import sqlstates
from polyglot_export.limits import MESSAGE_BYTES

__all__ = [
    "AccessDenied",
    "Busy",
    "Cancelled",
    "ConnectionFailed",
    "ConnectionLost",
    "InternalError",
    "MalformedData",
    "ManifestError",
    "PolyglotError",
    "RowTooLarge",
    "SourceChanged",
    "SpecError",
    "StatementFailed",
    "StatementTimeout",
    "TargetFailed",
    "UnknownDataset",
    "UnsupportedValue",
    "cut",
    "free_frames",
    "statement_error",
]


_MARK = re.compile(r"… \(\d+ characters\)\Z")


def cut(text: str, limit: int = MESSAGE_BYTES) -> str:
    """The beginning of a text that is longer than a message may be (``limits.MESSAGE_BYTES``), and how long it was."""
    if len(text) <= limit // 4:
        return text
    data = text.encode(errors="backslashreplace")
    if len(data) <= limit:
        return text
    # A message that becomes part of another one keeps its own mark.
    mark = _MARK.search(text[-40:])
    end = mark[0] if mark is not None else f"… ({len(text)} characters)"
    return data[: limit - len(end.encode())].decode(errors="ignore") + end


def free_frames(error: BaseException) -> None:
    """Free what an error keeps as long as it lives: what the functions held in their variables that it has passed
    through (connections, the texts of a request), and errors before it that are not shown. Often one of them holds the
    error itself, so that only the garbage collector would free them all, and it counts objects, not bytes. Where the
    error happened is still told.

    Args:
        error: Caught in the outermost function of a thread.
    """
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        if each.__suppress_context__:
            each.__context__ = None
        waiting += (each.__cause__, each.__context__)
        # As traceback.clear_frames(), whose module takes milliseconds to import. What runs is left alone.
        passed = each.__traceback__
        while passed is not None:
            with suppress(RuntimeError):
                passed.tb_frame.clear()
            passed = passed.tb_next


class PolyglotError(Exception):
    """The root; its message is one sentence for a person, and never longer than ``limits.MESSAGE_BYTES``."""

    def __init__(
        self,
        message: str,
        *,
        sqlstate: str | None = None,
        detail: str | None = None,
        hint: str | None = None,
        row: int | None = None,
        column: str | None = None,
        field: str | None = None,
    ) -> None:
        message = cut(message)
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate
        self.detail = cut(detail) if detail is not None else None
        self.hint = cut(hint) if hint is not None else None
        self.row = row
        self.column = column
        self.field = cut(field) if field is not None else None

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the attributes when the error crosses a process."""
        return (self.__class__, (self.message,), self.__dict__)


class SpecError(PolyglotError, ValueError):
    """The request is wrong.

    Attributes:
        field: The part of the request that is meant, such as ``columns.0.source``; ``None`` for the whole of it.
        reason: What is wrong with it and what is allowed, without the field.
        given: The text that was read, where the field alone does not show what is meant. The message is all three.
    """

    def __init__(
        self,
        field: str | None,
        reason: str,
        *,
        sqlstate: str | None = None,
        detail: str | None = None,
        hint: str | None = None,
        given: str | None = None,
    ) -> None:
        place = " ".join(part for part in (field, repr(given) if given is not None else None) if part)
        message = f"{place}: {reason}" if place else reason
        super().__init__(message, sqlstate=sqlstate, detail=detail, hint=hint, field=field)
        self.reason = cut(reason)
        self.given = cut(given) if given is not None else None

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the attributes when the error crosses a process."""
        return (self.__class__, (self.field, self.reason), self.__dict__)


class UnknownDataset(SpecError):
    """The table, view or dataset does not exist or is not exposed."""


class ConnectionFailed(PolyglotError):
    """The database cannot be reached or refused the login."""


class ConnectionLost(PolyglotError):
    """A connection that worked ended in the middle."""


class StatementFailed(PolyglotError):
    """The database answered a statement with an error."""


class AccessDenied(StatementFailed):
    """The login may not read what was asked for."""


class StatementTimeout(StatementFailed):
    """The server's time for the statement ran out."""


class SourceChanged(PolyglotError):
    """A relation was rewritten or dropped while its moment was being taken."""


class UnsupportedValue(PolyglotError):
    """A value that the format cannot hold; names ``row`` and ``column``."""


class RowTooLarge(UnsupportedValue):
    """A row beyond the limit that keeps memory bounded."""


class MalformedData(PolyglotError):
    """Bytes from the server that are not the protocol."""


class ManifestError(PolyglotError):
    """A manifest that is none, was changed after it was written, or is of a later version of this program."""


class TargetFailed(PolyglotError):
    """The file, pipe or object store took no more."""


class Busy(PolyglotError):
    """No memory or connection is free for another export now."""


class Cancelled(PolyglotError):
    """Someone asked the export to stop."""


class InternalError(PolyglotError):
    """A defect of this package."""


def statement_error(sqlstate: str) -> type[PolyglotError]:
    """The class that stands for an error the server answered a statement with.

    The compiled core asks it too, for the errors of its workers (``rust/src/py/errors.rs``).

    Args:
        sqlstate: Five characters (PostgreSQL manual, "PostgreSQL Error Codes").
    """
    match sqlstate:
        case sqlstates.INSUFFICIENT_PRIVILEGE:
            return AccessDenied
        case (
            # Our own cancel also makes the server say this, but it has become `Cancelled` before anyone asks here.
            sqlstates.QUERY_CANCELED | sqlstates.IDLE_IN_TRANSACTION_SESSION_TIMEOUT | sqlstates.TRANSACTION_TIMEOUT
        ):
            return StatementTimeout
    if sqlstate.startswith((sqlstates.CONNECTION_CLASS, sqlstates.SHUTDOWN_CLASS)):
        return ConnectionLost
    return StatementFailed
