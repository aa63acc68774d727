"""The service's log: one line for each event, as key=value or as JSON, with the export's id wherever there is one.

What a task is about (:func:`about`) is kept in a context variable, so that lines written by uvicorn, by asyncio and by
code that knows nothing of exports carry it too.

Passwords never get into a line: neither what stands where a connection string has its password, nor one of the settings
that a driver quotes because it cannot read it. Where the same word is the name of a user or a part of another word it
stays, because a gap would show what the password is.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal, Self
from urllib.parse import unquote

from polyglot_export.errors import cut
from polyglot_export.postgres.dsn import HIDDEN, hide_passwords, passwords_of

__all__ = ["about", "configure", "event", "secrets_of"]

LINE_BYTES = 4 << 10
"""Of the message of a line: those of libraries may quote what a client has sent."""
LEAST_SECRET = 4
"""A quoted password is looked for in the lines only if it has as many characters; a shorter one would hide ordinary
words."""
_NAMES = "".join(f"(?<!{word} )" for word in ("user", "role", "database", "host", "server at", "relation"))
"""What stands in quotes behind one of these words is a name."""

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/@+-#[]")
_about: ContextVar[Mapping[str, Any]] = ContextVar("about", default={})  # noqa: B039 - never changed, only replaced
_WEBHOOK_SECRET = re.compile(r"\bwhsec_[\w+/=-]+")
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]+", re.IGNORECASE)


def about(**fields: Any) -> None:
    """Say what the current task is about. From now on these fields are on every line that it logs, and on those of the
    tasks that it starts.

    Args:
        fields: Data; ``None`` is left out.
    """
    _about.set({**_about.get(), **{name: value for name, value in fields.items() if value is not None}})


def event(
    logger: logging.Logger, level: int, message: str, *, error: BaseException | None = None, **fields: Any
) -> None:
    """Log a message with data beside it.

    Args:
        logger: Whose message it is.
        level: A level of :mod:`logging`.
        message: The same words for every event of its kind; what differs is in the fields.
        error: An exception whose traceback is wanted.
        fields: Data; ``None`` is left out.
    """
    if not logger.isEnabledFor(level):
        return
    kept = {name: value for name, value in fields.items() if value is not None}
    logger.log(level, Told(message, kept), exc_info=error, extra={"fields": kept})


class Told(str):
    """A message that has its data behind it for whoever does not know of :func:`configure`: in an app, whose log shows
    the message of a line and nothing else.
    """

    __slots__ = ("message",)
    message: str

    def __new__(cls, message: str, fields: Mapping[str, Any]) -> Self:
        """Put them together, with what the task is about."""
        every = {**_about.get(), **fields}
        words = [f"{name}={_text_value(_hidden(str(value)))}" for name, value in every.items()]
        told = super().__new__(cls, " ".join([message, *words]))
        told.message = message
        return told


def secrets_of(*connections: str | None) -> frozenset[str]:
    """The passwords in connection strings and in ``PGPASSWORD``, as they are written there and as they are meant.

    Args:
        connections: URIs or libpq's ``key=value`` strings; they need not be valid, since an error may be about that.
    """
    found = {os.environ.get("PGPASSWORD", "")}
    for text in filter(None, connections):
        found |= passwords_of(text)
    return frozenset(secret for known in found for secret in (known, unquote(known)) if len(secret) >= LEAST_SECRET)


def configure(form: Literal["text", "json"], level: str, secrets: Iterable[str] = ()) -> None:
    """Send everything to standard error in one form; uvicorn's own messages included, its access log not.

    Args:
        form: Of a line.
        level: The least important lines that are written.
        secrets: What must not appear in any line.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter(secrets) if form == "json" else _TextFormatter(secrets))
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # uvicorn says "Started server process" and the like in lines of its own; its warnings and errors are kept.
    for library in ("uvicorn", "botocore"):
        logging.getLogger(library).setLevel(max(logging.WARNING, root.level))


class _Formatter(logging.Formatter):
    """What both forms share: the data of a line, without secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        # The longest first, since one secret may be a part of another.
        words = "|".join(re.escape(secret) for secret in sorted(secrets, key=len, reverse=True))
        self._secrets = re.compile(rf"{_NAMES}([\"'])(?:{words})\1") if words else None

    def hide(self, text: str) -> str:
        """The text without secrets."""
        if self._secrets is not None:
            text = self._secrets.sub(rf"\1{HIDDEN}\1", text)
        return _hidden(text)

    def message(self, record: logging.LogRecord) -> str:
        """What happened."""
        text = record.msg.message if isinstance(record.msg, Told) else record.getMessage()
        return cut(self.hide(text), LINE_BYTES)

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """The event's own fields, then what its task is about. Numbers stay numbers, all else is text."""
        own: dict[str, Any] = getattr(record, "fields", {})
        fields = own | {name: value for name, value in _about.get().items() if name not in own}
        return {
            name: value if isinstance(value, int | float) else cut(self.hide(str(value)))
            for name, value in fields.items()
        }

    def trace(self, record: logging.LogRecord) -> str:
        """The traceback, if there is one."""
        if not record.exc_info or not record.exc_info[0]:
            return ""
        # The lines of a traceback that matter are the last ones; only its message may be long.
        return "\n".join(cut(line) for line in self.hide(self.formatException(record.exc_info)).splitlines())


class _TextFormatter(_Formatter):
    """``2026-01-31T12:00:00.000Z INFO export ended exportId=… rows=3``."""

    def format(self, record: logging.LogRecord) -> str:
        words = [_time(record), record.levelname, _one_line(self.message(record))]
        words += [f"{name}={_text_value(value)}" for name, value in self.fields(record).items()]
        trace = self.trace(record)
        return " ".join(words) + (f"\n{trace}" if trace else "")


class _JsonFormatter(_Formatter):
    """One object a line; a traceback is a member of it."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "message": self.message(record),
        }
        line |= self.fields(record)
        trace = self.trace(record)
        if trace:
            line["traceback"] = trace
        return json.dumps(line)


def _hidden(text: str) -> str:
    """The text without what looks like a secret."""
    text = _WEBHOOK_SECRET.sub(f"whsec_{HIDDEN}", text)
    return _BEARER.sub(rf"\1 {HIDDEN}", hide_passwords(text))


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text_value(value: Any) -> str:
    """Bare where that is unambiguous, else a JSON string: a value can neither end its line nor look like another
    field.
    """
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return text if text and _PLAIN.issuperset(text) else json.dumps(text)


def _one_line(text: str) -> str:
    return text.replace("\r", "\\r").replace("\n", "\\n")
