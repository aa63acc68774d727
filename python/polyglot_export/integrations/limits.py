"""How much the exports of this process may have at a time: memory and connections, shared by all responses."""

from __future__ import annotations

from dataclasses import dataclass

from polyglot_export.admission.budget import MemoryBudget
from polyglot_export.errors import SpecError
from polyglot_export.fields import is_number
from polyglot_export.text.sizes import parse_size

__all__ = ["limits", "room"]

DEFAULT_MEMORY = 256 << 20
"""Bytes for all exports of the process; what the application itself needs comes on top."""
DEFAULT_ROW_LIMIT = 8 << 20
"""Bytes of the largest row. Where a table may have such rows, each of its exports sets one and a half of it aside:
twenty fit."""
LEAST_ROW_LIMIT = 1 << 20
LEAST_MEMORY = 16 << 20
"""Bytes below which hardly an export of one worker fits."""
DEFAULT_CONNECTIONS = 20
"""Connections of all exports of the process, leaders included: a fifth of what PostgreSQL has by default."""
_ADVICE = "limits(memory=…, row_limit=…) of polyglot_export.integrations.limits changes that"


class Allowed:
    """So many connections."""

    def __init__(self, limit: int) -> None:
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Room:
    """What there is for the exports of this process."""

    budget: MemoryBudget
    row_bytes: int


def _made(memory: int, connections: int, row_bytes: int) -> Room:
    return Room(MemoryBudget(memory, Allowed(connections), advice=_ADVICE), row_bytes)


_room = _made(DEFAULT_MEMORY, DEFAULT_CONNECTIONS, DEFAULT_ROW_LIMIT)


def limits(
    *,
    memory: int | str = DEFAULT_MEMORY,
    connections: int = DEFAULT_CONNECTIONS,
    row_limit: int | str = DEFAULT_ROW_LIMIT,
) -> None:
    """Set what all exports of this process may have together; one that finds no room is answered ``503``.

    Call it where the application starts; each process of a server has its own. Exports that run keep what they have.

    Args:
        memory: Bytes, or a size such as ``"256MB"``.
        connections: Database connections; an export needs at least two.
        row_limit: Bytes of the largest row, or a size.

    Raises:
        SpecError: Too little for any export.
    """
    global _room  # noqa: PLW0603 - one for the process is what this is about
    if not is_number(connections) or connections % 1 or connections < 2:
        raise SpecError("connections", f"must be a whole number of at least 2 (got {connections!r})")
    rows = _size("row_limit", row_limit, LEAST_ROW_LIMIT)
    _room = _made(_size("memory", memory, LEAST_MEMORY), int(connections), rows)


def room() -> Room:
    """What there is now."""
    return _room


def _size(name: str, given: int | str, least: int) -> int:
    try:
        size = parse_size(given)
    except ValueError as error:
        raise SpecError(name, f"{error} (got {given!r})") from None
    if not isinstance(size, int) or isinstance(size, bool) or size < least:
        raise SpecError(name, f"must be a size of at least {least >> 20}MB (got {given!r})")
    return size
