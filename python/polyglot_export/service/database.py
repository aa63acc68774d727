"""Short questions to the database, such as the health check. Exports have connections of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import psycopg

from polyglot_export.cancel import CancelToken
from polyglot_export.errors import ConnectionFailed
from polyglot_export.postgres.connect import connect
from polyglot_export.postgres.errors import database_error

__all__ = ["Database"]

THREADS = 4
"""Questions that are asked at the same time; further ones wait. Each takes milliseconds, and a database that hangs must
not use up threads."""
QUESTION_SECONDS = 10.0
"""Limit of one question, with connecting: beyond it the database counts as out of reach."""
HEALTH_SECONDS = 3.0
"""The same for the health check: orchestrators give up after a few seconds themselves."""
STATEMENT_SHARE = 0.8
"""Part of the limit after which the server itself ends a statement: its reason (a lock, for example) is better than
ours."""
HEALTH_AGE = 1.0
"""Seconds for which an answer of the health check is used again: anyone may ask, and each answer costs a connection."""

T = TypeVar("T")


class Database:
    """The database as the service's own questions see it: a connection each, closed at once."""

    def __init__(self, dsn: str | None) -> None:
        self.dsn = dsn
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="polyglot-catalogue")
        self._health_lock = asyncio.Lock()
        self._checked_at = float("-inf")
        self._problem: Exception | None = None

    async def ask(
        self,
        question: Callable[[psycopg.Connection], T],
        *,
        seconds: float = QUESTION_SECONDS,
        dsn: str | None = None,
    ) -> T:
        """Answer a question on a fresh connection in a thread.

        Args:
            question: Gets the connection, in autocommit mode and read only. What it raises is passed on.
            seconds: Limit, with connecting.
            dsn: Whom to ask; ``None`` for the database of the service.

        Raises:
            PolyglotError: The database is out of reach, or refused a statement.
        """
        token = CancelToken()
        work = asyncio.get_running_loop().run_in_executor(
            self._threads, self._answer, question, seconds, token, dsn or self.dsn
        )
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(work)
        except TimeoutError:
            raise ConnectionFailed(f"the database did not answer within {seconds:g} seconds") from None
        finally:
            # Who has left waits no more for what it will raise, of which asyncio would complain.
            work.add_done_callback(lambda done: done.cancelled() or done.exception())
            token.cancel()

    async def check(self) -> None:
        """Whether the database answers.

        Raises:
            PolyglotError: It does not.
        """
        loop = asyncio.get_running_loop()
        async with self._health_lock:
            if loop.time() - self._checked_at > HEALTH_AGE:
                try:
                    await self.ask(_ping, seconds=HEALTH_SECONDS)
                    self._problem = None
                except Exception as error:  # noqa: BLE001 - raised below, also for those who ask within the next second
                    self._problem = error
                self._checked_at = loop.time()
        if self._problem is not None:
            raise self._problem.with_traceback(None)

    def close(self) -> None:
        """Take no more questions; does not wait for those that are being answered."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _answer(
        self, question: Callable[[psycopg.Connection], T], seconds: float, token: CancelToken, dsn: str | None
    ) -> T:
        with connect(dsn, application_name="polyglot catalogue", token=token) as connection:
            try:
                connection.read_only = True
                # SET takes no snapshot: a standby has none for every isolation level that a login may have.
                connection.execute(f"SET statement_timeout = {int(seconds * STATEMENT_SHARE * 1000)}".encode())
                return question(connection)
            except psycopg.Error as error:
                raise database_error(error) from None


def _ping(connection: psycopg.Connection) -> None:
    with connection.transaction():
        connection.execute("SELECT 1")
