"""SQL that a caller writes, with the values of its placeholders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from polyglot_export.errors import SpecError

__all__ = ["Parameters", "SqlText", "read_sql_text"]

Parameters: TypeAlias = tuple[Any, ...] | Mapping[str, Any]
"""For ``%s``, or by name for ``%(name)s``."""


class SqlText(NamedTuple):
    """Nothing is composed yet: the driver does that, by the rules of the server that is asked."""

    text: str
    parameters: Parameters | None = None
    """``None`` where there are no placeholders: then a percent sign is one."""
    proof: tuple[str, tuple[str, ...]] | None = None
    """The same with ``$1``, ``$2`` for the values, in which the server must find each of them; and their names."""


def read_sql_text(given: object) -> SqlText:
    """A text alone, or a pair ``(sql, parameters)``.

    Raises:
        SpecError: It is neither.
    """
    text, parameters = (given, None) if isinstance(given, str) else _pair(given)
    if not isinstance(text, str) or not text.strip():
        raise SpecError(None, f"must be SQL that is not empty (got {text!r})")
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise SpecError(None, "must be text without the character U+0000")
    return SqlText(text, _parameters(parameters))


def _pair(given: object) -> tuple[object, object]:
    if isinstance(given, tuple | list) and len(given) == 2:
        text, parameters = given
        return text, parameters
    raise SpecError(None, f"must be SQL, or a pair (sql, parameters) (got {given!r})")


def _parameters(given: object) -> Parameters | None:
    if given is None:
        return None
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        return tuple(given)
    raise SpecError(None, f"takes its parameters as a list, or as a mapping for %(name)s (got {given!r})")
