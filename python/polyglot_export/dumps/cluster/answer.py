"""What a worker answers: the rows of the manifest, or its error, as JSON text."""

from __future__ import annotations

import json
from dataclasses import dataclass

from polyglot_export import errors
from polyglot_export.dumps.tickets import PartResult, Ticket
from polyglot_export.errors import InternalError, PolyglotError, SpecError
from polyglot_export.fields import read_record, write_record
from polyglot_export.manifest.document import PartEntry

__all__ = ["Answer"]

SERVER_SAID = ("sqlstate", "detail", "hint")
"""What every error has of the server's …"""
OF_VALUES = ("row", "column", "field")
"""… and what only some have."""


@dataclass(frozen=True, slots=True)
class Answer:
    """As a worker sends it."""

    text: str

    @classmethod
    def of_result(cls, result: PartResult) -> Answer:
        """The part is in its place."""
        return cls(
            json.dumps({"entries": [write_record(each) for each in result.entries], "losses": dict(result.losses)})
        )

    @classmethod
    def of_error(cls, error: PolyglotError) -> Answer:
        """It is not."""
        told = {name: getattr(error, name) for name in (*SERVER_SAID, *OF_VALUES)}
        reason = error.reason if isinstance(error, SpecError) else error.message
        kind = type(error).__name__
        notes = list(getattr(error, "__notes__", ()))
        return cls(json.dumps({"error": {**told, "kind": kind, "reason": reason, "notes": notes}}))

    def result(self, ticket: Ticket) -> PartResult:
        """What it says of a part.

        Raises:
            PolyglotError: What the worker met.
        """
        given = json.loads(self.text)
        if "error" in given:
            raise _error(given["error"])
        entries = tuple(read_record(PartEntry, each) for each in given["entries"])
        return PartResult(ticket, entries, given["losses"])


def _error(given: dict[str, object]) -> PolyglotError:
    kind: type[PolyglotError] = getattr(errors, str(given["kind"]), InternalError)
    server = {name: _text(given[name]) for name in SERVER_SAID}
    found: PolyglotError
    if issubclass(kind, SpecError):
        found = kind(_text(given["field"]), str(given["reason"]), **server)
    else:
        row = given["row"]
        found = kind(
            str(given["reason"]),
            **server,
            row=row if isinstance(row, int) else None,
            column=_text(given["column"]),
            field=_text(given["field"]),
        )
    notes = given["notes"]
    for note in notes if isinstance(notes, list) else ():
        found.add_note(str(note))
    return found


def _text(value: object) -> str | None:
    return None if value is None else str(value)
