"""Reads the small languages of ``arguments.py`` from left to right; every complaint has the field that the option fills
and what was written.
"""

from __future__ import annotations

import re

from polyglot_export.errors import SpecError

__all__ = ["Scanner"]


class Scanner:
    """A position in the text of one option.

    Args:
        field: The field of the spec that the option fills, for an error.
        text: What the user wrote.
    """

    def __init__(self, field: str, text: str) -> None:
        self._field = field
        self._text = text
        self._at = 0

    def name(self, stops: str) -> str:
        """A name: in double quotes (``""`` is one quote), or bare up to one of ``stops``, without the spaces around
        it.
        """
        self._skip_space()
        if self._text.startswith('"', self._at):
            return self._quoted('"', "a name")
        return self.until(stops) or self._missing("a name is missing")

    def value(self, stops: str) -> str:
        """A value: in single quotes (``''`` is one quote), or bare up to a match of the pattern ``stops``."""
        self._skip_space()
        if self._text.startswith("'", self._at):
            return self._quoted("'", "a value")
        found = re.compile(stops, re.IGNORECASE).search(self._text, self._at)
        bare = self._take(found.start() if found else len(self._text))
        return bare or self._missing("a value is missing; write '' for the empty text")

    def until(self, stops: str) -> str:
        """What comes before the first of the characters ``stops``, without the spaces around it."""
        end = self._at
        while end < len(self._text) and self._text[end] not in stops:
            end += 1
        return self._take(end)

    def accept(self, pattern: str) -> str | None:
        """Take what matches the pattern here, in any case; ``None`` and no step when it does not match."""
        self._skip_space()
        found = re.compile(pattern, re.IGNORECASE).match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found[0]

    def at_end(self) -> bool:
        """True when only spaces are left."""
        self._skip_space()
        return self._at == len(self._text)

    def expect_end(self) -> None:
        """Refuse anything that is left."""
        if not self.at_end():
            raise self.wrong(f"{self._text[self._at :]!r} is too much")

    def wrong(self, reason: str) -> SpecError:
        """The error for this text."""
        return SpecError(self._field, reason, given=self._text)

    def _quoted(self, quote: str, what: str) -> str:
        found = re.compile(f"{quote}((?:[^{quote}]|{quote}{quote})*){quote}").match(self._text, self._at)
        if found is None:
            raise self.wrong(f"{what} begins with {quote} and has no {quote} at its end")
        if found[1] == "" and quote == '"':
            raise self.wrong("a name is empty")
        self._at = found.end()
        return found[1].replace(quote * 2, quote)

    def _take(self, end: int) -> str:
        taken = self._text[self._at : end].strip()
        self._at = end
        return taken

    def _skip_space(self) -> None:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1

    def _missing(self, reason: str) -> str:
        raise self.wrong(reason)
