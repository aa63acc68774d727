"""The options of a format as words: ``delimiter=``, ``lineEnd=crlf``."""

from __future__ import annotations

from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from polyglot_export.destinations.naming import choose
from polyglot_export.errors import SpecError
from polyglot_export.formats.registry import Format

__all__ = ["option_words"]


def option_words(format_name: str | None, output: str | None, begun: str) -> list[str]:
    """The options that begin so; behind the equals sign their values, where they are words.

    Args:
        format_name: What ``--format`` says.
        output: The name of the output, which says the format too.
        begun: What was typed.
    """
    try:
        format_ = Format(format_name) if format_name else choose(output or "-", None, None).format
    except (SpecError, ValueError):
        return []
    options = format_.record.options
    members = options.members()
    name, equals, value = begun.partition("=")
    if not equals:
        return [f"{each}=" for each in members if each.startswith(name)]
    if name not in members:
        return []
    words = _words(get_type_hints(options)[members[name]])
    return [f"{name}={word}" for word in words if word.startswith(value)]


def _words(hint: Any) -> list[str]:
    """What a field of this type may be, as far as that are words."""
    if hint is bool:
        return ["true", "false"]
    if get_origin(hint) is Literal:
        return [str(each) for each in get_args(hint)]
    return [word for part in get_args(hint) if part is not NoneType for word in _words(part)]
