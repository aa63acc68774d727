"""What a dump and the writer of its parts on other machines know of each other. A dump on one machine imports no more
of this folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from polyglot_export.destinations.store import Store
from polyglot_export.dumps.claim import Claim
from polyglot_export.postgres.leader import Leader

if TYPE_CHECKING:
    from polyglot_export.execution.engines.executor import ExecutorEngine

__all__ = ["Held", "part_workers"]


def part_workers(engine: ExecutorEngine | None) -> int | None:
    """The most workers of one part: a task has one of a pool's slots, and the others are for other tasks."""
    return None if engine is None else 1


class Held(NamedTuple):
    """What a dump holds while its parts are written."""

    place: Store
    url: str
    """The place as it was asked for."""
    manifest: str
    """Its path in it."""
    claim: Claim
    leader: Leader
    """In the transaction of the moment."""
    dsn: str | None
