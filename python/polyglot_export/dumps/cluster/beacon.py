"""How a worker knows that its part is still wanted, on any pool: a session of the leader's side that it can see.

It is there for as long as the dump runs. When the dump fails, is cancelled, or its machine is gone, so is the session;
a worker asks its own server for it, and so proves too that it is the server of the leader.
"""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import Self

from psycopg import sql

from polyglot_export.cancel import CancelToken
from polyglot_export.dumps.cluster.parcel import Terms
from polyglot_export.errors import ConnectionFailed, ConnectionLost, PolyglotError
from polyglot_export.manifest.moment import system_identifier_of
from polyglot_export.postgres.leader import Leader

__all__ = ["Beacon", "Watch", "see_same_server"]

ASK_SECONDS = 0.5
"""How often a worker asks: so soon is a part ended that nobody wants any more."""
GONE = "the dump that this part is of has ended"


class Beacon:
    """That session; closed by any thread.

    Args:
        dsn: As of the dump.
        token: Ends the wait for the connection.

    Raises:
        ConnectionFailed: The database cannot be reached.
    """

    def __init__(self, dsn: str | None, token: CancelToken | None) -> None:
        self.name = f"polyglot dump beacon {os.urandom(8).hex()}"
        self._session = Leader.open(dsn, application_name=self.name, token=token)
        # It says nothing for as long as the dump runs. Servers before 14 have no such limit.
        self._session.run(
            "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings"
            " WHERE name = 'idle_session_timeout'"
        )
        [(self.process,)] = self._session.run("SELECT pg_catalog.pg_backend_pid()")

    def check(self) -> None:
        """See that it is there. Not to be called while :meth:`close` is.

        Raises:
            ConnectionLost: It is not.
        """
        self._session.check()

    def close(self) -> None:
        """End it, and with it every part that is being written. Idempotent."""
        self._session.close()


class Watch:
    """Ends a part when its dump has ended; a context manager around the writing.

    Args:
        control: A session of the worker, outside a transaction; nobody else uses it within the block.
        terms: Tell the beacon.
        token: Is cancelled.
    """

    def __init__(self, control: Leader, terms: Terms, token: CancelToken) -> None:
        self._control = control
        self._terms = terms
        self._token = token
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._ask, name="polyglot-watch", daemon=True)
        self._reason: PolyglotError | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        if isinstance(error, PolyglotError) and self._reason is not None:
            # What the block met is that it was ended.
            raise self._reason from None

    def _ask(self) -> None:
        while not self._done.wait(ASK_SECONDS):
            try:
                if _shines(self._control, self._terms):
                    continue
                self._reason = ConnectionLost(GONE)
            except PolyglotError as error:
                self._reason = error
            self._token.cancel()
            return


def see_same_server(session: Leader, terms: Terms, where: str) -> None:
    """See that a session is on the leader's server, in its database and as its user.

    Args:
        session: Outside a transaction.
        terms: What the leader knows of its own.
        where: Whose session it is, for the error.

    Raises:
        ConnectionFailed: It is not.
        ConnectionLost: The dump has ended.
    """
    session.begin((), None)
    identifier = system_identifier_of(session)
    [(database, user, standby)] = session.catalogue(
        sql.SQL("SELECT current_database()::text, session_user::text, pg_is_in_recovery()")
    )
    session.rollback()
    if None not in (identifier, terms.system_identifier) and identifier != terms.system_identifier:
        raise ConnectionFailed(f"{where} reaches another server than the leader of the dump")
    if standby != terms.standby:
        leaders, own = ("a standby", "its primary") if terms.standby else ("the primary", "a standby of it")
        raise ConnectionFailed(
            f"{where} reaches {own}, and the leader of the dump {leaders}: they do not share a snapshot"
        )
    if (database, user) != (terms.database, terms.user):
        raise ConnectionFailed(
            f"{where} reaches database {database} as {user}, and the leader of the dump {terms.database} as"
            f" {terms.user}: rows and rights are those of one login"
        )
    if not _shines(session, terms):
        if terms.system_identifier is None:
            raise ConnectionFailed(
                f"{where} does not see the leader of the dump: it has ended, or is on another server"
            )
        raise ConnectionLost(GONE)


def _shines(session: Leader, terms: Terms) -> bool:
    query = sql.SQL(
        "SELECT FROM pg_catalog.pg_stat_activity"
        " WHERE pid OPERATOR(pg_catalog.=) {} AND application_name OPERATOR(pg_catalog.=) {}"
    )
    return bool(session.run(query.format(sql.Literal(terms.beacon), sql.Literal(terms.beacon_name))))
