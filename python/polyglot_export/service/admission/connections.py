"""How many connections the exports may have: a ceiling for this process, and a share of what the server has."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import psycopg

from polyglot_export.errors import PolyglotError
from polyglot_export.service.logs import event

if TYPE_CHECKING:
    from polyglot_export.service.database import Database

__all__ = ["Connections"]

SERVER_SHARE = 4
"""One in so many of the server's connections may be a worker's. Each export has a leader beside its workers, of which
there is at least one, so that all of them together never take more than half: the rest is for what the database is
there for."""
LEARNED_SECONDS = 300.0
"""Time after which the server is asked again: it may have been restarted with another setting."""
RETRY_SECONDS = 5.0
"""The same while it does not answer."""

_log = logging.getLogger(__name__)


class Connections:
    """The limit on workers, known in full once the server was asked."""

    def __init__(self, ceiling: int) -> None:
        """Set up.

        Args:
            ceiling: Connections of workers that the process may have.
        """
        self.ceiling = ceiling
        self._server_limit: int | None = None

    @property
    def limit(self) -> int:
        """Connections that all workers together may have."""
        return self.ceiling if self._server_limit is None else min(self.ceiling, self._server_limit)

    async def keep_learning(self, database: Database) -> None:
        """Ask the server again and again; ends when it is cancelled."""
        while True:
            try:
                allowed = await database.ask(_allowed)
            except PolyglotError:
                # Nothing to say here: a client that asks for an export meanwhile is told why it cannot have one.
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self.learn(allowed)
            await asyncio.sleep(LEARNED_SECONDS)

    def learn(self, allowed: int) -> None:
        """Take note of how many connections the server allows its users."""
        limit = max(1, allowed // SERVER_SHARE)
        if limit != self._server_limit and limit < self.ceiling:
            event(
                _log,
                logging.INFO,
                "fewer connections for exports than are set, as the server has few",
                allowed=allowed,
                workers=limit,
            )
        self._server_limit = limit


def _allowed(connection: psycopg.Connection) -> int:
    """``max_connections`` without what is kept for superusers and other roles (PostgreSQL manual, "Connection
    Settings").
    """
    with connection.transaction():
        row = connection.execute(
            "SELECT sum(CASE name WHEN 'max_connections' THEN setting::int ELSE -setting::int END) FROM "
            "pg_catalog.pg_settings"
            " WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')"
        ).fetchone()
    return int(row[0]) if row is not None else 1
