"""How much the exports of this process may have at a time: memory and connections, shared by all responses."""

from __future__ import annotations

from polyglot_export.admission.budget import MemoryBudget
from polyglot_export.errors import SpecError
from polyglot_export.fields import is_number
from polyglot_export.text.sizes import parse_size

__all__ = ["DEFAULT_CONNECTIONS", "DEFAULT_MEMORY", "LEAST_MEMORY", "Allowed", "budget", "limits"]

DEFAULT_MEMORY = 128 << 20
"""Bytes for all exports of the process: half of the 256 MB in which the service runs, as the application needs some."""
LEAST_MEMORY = 16 << 20
"""Bytes below which hardly an export of one worker fits."""
DEFAULT_CONNECTIONS = 20
"""Connections of all exports of the process, leaders included: a fifth of what PostgreSQL has by default."""
_ADVICE = "limits(memory=…) of polyglot_export.integrations.limits changes that"


class Allowed:
    """So many connections."""

    def __init__(self, limit: int) -> None:
        self.limit = limit


_budget = MemoryBudget(DEFAULT_MEMORY, Allowed(DEFAULT_CONNECTIONS), advice=_ADVICE)


def limits(*, memory: int | str = DEFAULT_MEMORY, connections: int = DEFAULT_CONNECTIONS) -> None:
    """Set what all exports of this process may have together; one that finds no room is answered ``503``.

    Call it where the application starts; each process of a server has its own. Exports that run keep what they have.

    Args:
        memory: Bytes, or a size such as ``"256MB"``.
        connections: Database connections; an export needs at least two.

    Raises:
        SpecError: Too little for any export.
    """
    global _budget  # noqa: PLW0603 - one for the process is what this is about
    try:
        size = parse_size(memory)
    except ValueError as error:
        raise SpecError("memory", f"{error} (got {memory!r})") from None
    if not isinstance(size, int) or isinstance(size, bool) or size < LEAST_MEMORY:
        raise SpecError("memory", f"must be a size of at least 16MB (got {memory!r})")
    if not is_number(connections) or connections % 1 or connections < 2:
        raise SpecError("connections", f"must be a whole number of at least 2 (got {connections!r})")
    _budget = MemoryBudget(size, Allowed(int(connections)), advice=_ADVICE)


def budget() -> MemoryBudget:
    """What there is now."""
    return _budget
