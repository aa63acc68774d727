"""Reading the tables of a configuration: what is wrong is said with the place where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polyglot_export.errors import SpecError

__all__ = ["members_of", "names_in", "tables_in", "text_in"]


def tables_in(document: Mapping[str, Any], name: str, example: str) -> dict[str, object]:
    """The entries of a table of tables, such as all of ``[datasets.…]``; empty where there is none.

    Args:
        document: The whole configuration.
        name: Of the table.
        example: The head of an entry, for the error.

    Raises:
        SpecError: It is no table, or an entry has no name.
    """
    found = document.get(name, {})
    if not isinstance(found, dict):
        raise SpecError(name, f"must be tables such as {example}")
    if "" in found:
        raise SpecError(name, "an entry must have a name")
    return found


def members_of(entry: object, where: str, allowed: tuple[str, ...]) -> dict[str, object]:
    """One entry, whose members are all known.

    Raises:
        SpecError: It is no table, or it has a member that is not allowed.
    """
    if not isinstance(entry, dict):
        raise SpecError(where, "must be a table")
    for name in sorted(set(entry) - set(allowed)):
        raise SpecError(f"{where}.{name}", f"unknown member {name!r}; allowed are {', '.join(allowed)}")
    return entry


def text_in(entry: Mapping[str, object], name: str, where: str) -> str | None:
    """A member that is text, or ``None`` where it is not given.

    Raises:
        SpecError: It is empty or no text.
    """
    value = entry.get(name)
    if value is None or (isinstance(value, str) and value):
        return value
    raise SpecError(f"{where}.{name}", "must be text that is not empty")


def names_in(value: object, where: str, *, may_be_empty: bool = False) -> tuple[str, ...]:
    """A list of names.

    Raises:
        SpecError: It is something else.
    """
    if isinstance(value, list) and (value or may_be_empty) and all(isinstance(item, str) and item for item in value):
        return tuple(value)
    raise SpecError(where, f"must be a list of names{'' if may_be_empty else ' that is not empty'}")
