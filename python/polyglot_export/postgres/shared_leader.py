"""A leader that several exports have in common, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from polyglot_export.cancel import CancelToken
from polyglot_export.postgres.leader import Described, Leader, Row

__all__ = ["SharedLeader"]


class SharedLeader(Leader):
    """One thread at a time talks to the server; a step that fails leaves the transaction as it was."""

    def __init__(self, connection: psycopg.Connection, token: CancelToken) -> None:
        """As of a leader."""
        # Reentrant: the steps are made of each other.
        self._lock = threading.RLock()
        super().__init__(connection, token)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Several statements that nothing comes between; an error takes back what they did, with their locks."""
        with self._lock:
            self.run("SAVEPOINT step")
            try:
                yield
            except BaseException:
                if not self.connection.closed:
                    self.run("ROLLBACK TO SAVEPOINT step")
                raise
            self.run("RELEASE SAVEPOINT step")

    def run(self, statement: str | sql.Composable, parameters: list[Any] | None = None) -> list[Row]:
        """As of a leader."""
        with self._lock:
            return super().run(statement, parameters)

    def catalogue_at_once(self, queries: Sequence[sql.Composable]) -> list[list[Row]]:
        """As of a leader."""
        with self._lock:
            return super().catalogue_at_once(queries)

    def describe(self, statement: str) -> Described:
        """As of a leader."""
        with self._lock:
            return super().describe(statement)

    def check(self) -> None:
        """As of a leader."""
        with self._lock:
            super().check()

    def prove_alive(self) -> None:
        """As of a leader."""
        with self._lock:
            super().prove_alive()
