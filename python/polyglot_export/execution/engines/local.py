"""The engine in this process: the threads of the Rust core."""

from __future__ import annotations

from polyglot_export import _core
from polyglot_export.planning.plan import Plan

__all__ = ["LOCAL", "LocalEngine"]


class LocalEngine:
    """Runs a plan with worker threads, each with its own connection.

    Args:
        sessions: Where the connections wait between plans of one moment; without, each plan opens and closes its own.
    """

    name = "local"

    def __init__(self, sessions: _core.Sessions | None = None) -> None:
        self._sessions = sessions

    def open(self, plan: Plan) -> _core.ChunkStream:
        """The bytes of a plan, made by ``plan.limits.workers`` threads."""
        return _core.ChunkStream(plan, self._sessions)

    def open_files(self, plan: Plan) -> _core.RoutedStream:
        """The bytes of a plan with a route, made by one thread."""
        return _core.RoutedStream(plan, self._sessions)


LOCAL = LocalEngine()
