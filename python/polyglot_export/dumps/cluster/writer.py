"""The leader's side: hands parts to a pool and waits for their answers."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from types import TracebackType
from typing import Self

from psycopg import sql

from polyglot_export.cancel import CancelToken
from polyglot_export.destinations.folder import FolderStore
from polyglot_export.dumps.cluster.answer import Answer
from polyglot_export.dumps.cluster.beacon import Beacon, see_same_server
from polyglot_export.dumps.cluster.held import Held
from polyglot_export.dumps.cluster.parcel import Parcel, Terms
from polyglot_export.dumps.cluster.task import run_part
from polyglot_export.dumps.tickets import PartResult, Ticket
from polyglot_export.dumps.values import part_of
from polyglot_export.errors import Cancelled, ConnectionLost, PolyglotError
from polyglot_export.execution.engines.base import StreamProgress
from polyglot_export.execution.engines.executor import ExecutorEngine
from polyglot_export.manifest.moment import system_identifier_of
from polyglot_export.planning.plan import Plan
from polyglot_export.postgres.leader import Leader

__all__ = ["ClusterWriter"]

ATTEMPTS = 3
"""How often a part is begun on a pool that does not itself begin it again."""
POLL_SECONDS = 0.2
"""How often a thread that waits for its part sees whether the pool is there."""
END_SECONDS = 15.0
"""How long the parts may take to end that nobody wants any more. Workers notice within ``beacon.ASK_SECONDS``; one that
cannot be heard is left to itself, and finds that the claim is gone."""


class ClusterWriter:
    """Writes parts on a pool; a context manager, around the schedule that calls it.

    Args:
        engine: The pool.
        held: Of the dump.
        token: Ends the wait for the database.
        on_planned: Called in the thread of a part whose plan is watched, after its worker has read.

    Raises:
        ConnectionFailed: The database cannot be reached, or the connection string leads to several servers.
    """

    def __init__(
        self, engine: ExecutorEngine, held: Held, *, token: CancelToken, on_planned: Callable[[Plan], None]
    ) -> None:
        self._engine = engine
        self._on_planned = on_planned
        self._place = held.place
        self._begun: set[str] = set()
        self._ended: float | None = None
        self._lock = threading.Lock()
        self._beacon = Beacon(held.dsn, token)
        try:
            self._terms = _terms(held, self._beacon, engine.send_dsn)
            _see_beacon(held, self._terms, token)
        except BaseException:
            self._beacon.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        self._clear()

    def __call__(
        self, ticket: Ticket, token: CancelToken, _on_start: Callable[[Callable[[], StreamProgress]], None]
    ) -> PartResult:
        """Write a part.

        Raises:
            PolyglotError: What its worker met, or that it had none.
        """
        with self._lock:
            self._begun.add(ticket.path)
        text = Parcel(self._terms, ticket).to_text()
        answer = Answer(self._answer(text, token))
        try:
            result = answer.result(ticket)
        except ConnectionLost:
            # A worker that finds the beacon gone knows no more than that.
            self._check()
            raise
        if ticket.plan.watched is not None:
            # What was added before the worker planned is among what the statement locks now.
            self._on_planned(ticket.plan)
        return result

    def end(self) -> None:
        """End all parts. Does not block."""
        with self._lock:
            if self._ended is None:
                self._ended = time.monotonic()
        self._beacon.close()

    def _clear(self) -> None:
        """Remove what workers that died have left of these parts. What a store does not let go stays, as after any
        process that was killed.
        """
        with suppress(PolyglotError):
            for each in self._place.unfinished():
                if not self._begun.isdisjoint((each.path, part_of(each.path))):
                    self._place.end(each)

    def _answer(self, text: str, token: CancelToken) -> str:
        attempt = 0
        while True:
            attempt += 1
            if self._over(token):
                raise Cancelled("the dump was cancelled")
            future = self._engine.submit(run_part, text)
            try:
                return self._waited(future)
            except PolyglotError:
                raise
            except Exception as error:  # noqa: BLE001 - each pool has errors of its own
                if self._over(token):
                    raise Cancelled("the dump was cancelled") from None
                if attempt == ATTEMPTS or not self._engine.may_retry(error):
                    raise self._engine.failure(error) from None

    def _check(self) -> None:
        """See that the pool is there, and what the workers watch."""
        self._engine.check()
        with self._lock:
            if self._ended is None:
                self._beacon.check()

    def _over(self, token: CancelToken) -> bool:
        return token.cancelled or self._ended is not None

    def _waited(self, future: Future[str]) -> str:
        """Wait for a task; one that nobody wants any more is waited for too, since it may still write."""
        while not wait([future], POLL_SECONDS).done:
            ended = self._ended
            if ended is None:
                self._check()
            elif time.monotonic() - ended > END_SECONDS:
                future.cancel()
                raise Cancelled("the dump was cancelled")
        return future.result()


def _terms(held: Held, beacon: Beacon, send_dsn: bool) -> Terms:
    leader = held.leader
    [(standby, user)] = leader.catalogue(sql.SQL("SELECT pg_is_in_recovery(), session_user::text"))
    parameters = leader.parameters()
    is_folder = isinstance(held.place, FolderStore)
    return Terms(
        # Workers run in other folders.
        place=os.path.abspath(held.place.url) if is_folder else held.url,  # noqa: PTH100 - links stay as they are
        manifest=held.manifest,
        claim=held.claim.path,
        claim_token=held.claim.token,
        application_name=f"polyglot dump part {os.urandom(8).hex()}",
        beacon=beacon.process,
        beacon_name=beacon.name,
        system_identifier=system_identifier_of(leader),
        standby=standby,
        database=parameters.dbname,
        user=user,
        options=parameters.options,
        dsn=held.dsn if send_dsn else None,
    )


def _see_beacon(held: Held, terms: Terms, token: CancelToken) -> None:
    """See that beacon and leader are on one server: a connection string may name several."""
    with Leader.open(held.dsn, application_name=terms.application_name, token=token) as another:
        see_same_server(another, terms, "a second connection")
