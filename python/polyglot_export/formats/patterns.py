"""Patterns of dates and times: a subset of ``strftime`` (POSIX, in the C locale)."""

from __future__ import annotations

from collections.abc import Callable

from polyglot_export.errors import SpecError
from polyglot_export.fields import read_text, wrong

__all__ = ["DAY_DIRECTIVES", "MAX_PATTERN", "TIME_DIRECTIVES", "read_pattern"]

DAY_DIRECTIVES = "YymBbdjAaF"
TIME_DIRECTIVES = "HIMSfpT"
"""``rust/src/formats/csv/pattern.rs`` writes them."""
MAX_PATTERN = 100
"""Characters; the text of a value becomes a few times as long at most."""


def read_pattern(directives: str) -> Callable[[object], str | None]:
    """What reads a pattern of these directives, or that there is none.

    Raises:
        SpecError: By what is returned: it holds others, or is empty.
    """
    allowed = " ".join(f"%{each}" for each in directives)

    def read(given: object) -> str | None:
        if given is None:
            return None
        text = read_text(given)
        if not text or len(text) > MAX_PATTERN or any(character in text for character in "\r\n\0"):
            reason = f"must have 1 to {MAX_PATTERN} characters, on one line"
            raise SpecError(None, wrong(reason, text).reason)
        # What follows each percent sign; two of them are one that is written.
        after = text.replace("%%", "").split("%")[1:]
        unknown = next((part[:1] for part in after if not part or part[0] not in directives), None)
        if unknown is not None:
            raise SpecError(None, wrong(f"allowed are {allowed} and %%, not %{unknown}", text).reason)
        return text

    return read
