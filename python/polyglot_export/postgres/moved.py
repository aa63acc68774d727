"""The signal that a relation changed between its look-up and its lock: the planner starts again."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Moved"]


class Moved(Exception):
    """Names the relations; never leaves the planner."""

    def __init__(self, relations: Iterable[str]) -> None:
        super().__init__(", ".join(relations))
