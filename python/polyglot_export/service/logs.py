"""The service's log: one line an event, as key=value or as JSON, with the export's id on every line about an export."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal

__all__ = ["configure", "event"]

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/@+-#[]")


def event(logger: logging.Logger, level: int, message: str, *, error: BaseException | None = None, **fields: Any) -> None:
    """Log a message with data beside it.

    Args:
        logger: Whose message it is.
        level: A level of :mod:`logging`.
        message: The same words for every event of the kind; what differs is in the fields.
        error: An exception whose traceback is wanted.
        fields: Data; ``None`` is left out.
    """
    kept = {name: value for name, value in fields.items() if value is not None}
    logger.log(level, message, exc_info=error, extra={"fields": kept})


def configure(form: Literal["text", "json"], level: str) -> None:
    """Send everything to standard error in one form; uvicorn's own messages included, its access log not."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if form == "json" else _TextFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # uvicorn says "Started server process" and the like in lines of its own; its warnings and errors are kept.
    logging.getLogger("uvicorn").setLevel(max(logging.WARNING, root.level))


class _TextFormatter(logging.Formatter):
    """``2026-01-31T12:00:00.000Z INFO export ended exportId=… rows=3``."""

    def format(self, record: logging.LogRecord) -> str:
        words = [_time(record), record.levelname, _one_line(record.getMessage())]
        words += [f"{name}={_text_value(value)}" for name, value in _fields(record).items()]
        trace = _trace(self, record)
        return " ".join(words) + (f"\n{trace}" if trace else "")


class _JsonFormatter(logging.Formatter):
    """One object a line; a traceback is a member of it."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {"time": _time(record), "level": record.levelname.lower(), "message": record.getMessage()}
        line |= _fields(record)
        trace = _trace(self, record)
        if trace:
            line["traceback"] = trace
        return json.dumps(line, default=str)


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(record, "fields", {})
    return fields


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""


def _text_value(value: Any) -> str:
    """Bare where that is unambiguous, else a JSON string: a value can neither end its line nor look like another field."""
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return text if text and _PLAIN.issuperset(text) else json.dumps(text)


def _one_line(text: str) -> str:
    return text.replace("\r", "\\r").replace("\n", "\\n")
