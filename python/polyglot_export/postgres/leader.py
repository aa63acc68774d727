"""The leader: the one control connection of an export, which holds its moment still.

Its order of steps is what makes an export one moment ("One moment, or an error" in ``docs/architecture.md``):

1. ``BEGIN`` REPEATABLE READ READ ONLY, the session settings, and ``LOCK TABLE … IN ACCESS SHARE MODE``: nothing of this
   takes a snapshot, so whatever is seen later is seen with the locks held.
2. The first query takes the snapshot. Where LOCK is not possible the EXPLAIN of the statement takes the locks, after
   the snapshot; therefore :meth:`Leader.held` compares the files that the snapshot knows with those that exist now.
3. The snapshot is exported to the workers. As long as this connection lives in its transaction, nobody can truncate,
   rewrite or drop what is read; when it is lost, the export has failed.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import psycopg
from psycopg import generators, pq, sql

from polyglot_export.cancel import CancelToken
from polyglot_export.errors import Cancelled, ConnectionLost
from polyglot_export.postgres import connect as conninfo
from polyglot_export.postgres.errors import database_error
from polyglot_export.postgres.parameters import ServerParameters
from polyglot_export.postgres.settings import BEGIN

__all__ = ["Described", "Held", "Leader", "Row"]

Row = tuple[Any, ...]

FIRST_USER_OID = 16384
"""PostgreSQL gives lower OIDs to its own objects only (``FirstNormalObjectId``)."""
CANCEL_INTERVAL = 0.1
"""Seconds between two cancel requests: one that arrives between two statements has no effect."""
CANCEL_TIMEOUT = 1.0
"""Seconds that a cancel request may take before the next one is sent."""


_HELD = sql.SQL(
    "SELECT l.relation,"
    " l.relation >= {first} AND coalesce(c.relkind IN ('r', 'p', 'm', 'f', 'v'), pg_get_indexdef(l.relation) IS NULL),"
    " CASE WHEN c.oid IS NULL THEN l.relation::text"
    " WHEN c.relkind IN ('r', 'm', 't') AND c.relfilenode <> 0"
    " AND c.relfilenode IS DISTINCT FROM pg_relation_filenode(c.oid) THEN c.oid::regclass::text END"
    " FROM pg_locks AS l LEFT JOIN pg_class AS c ON c.oid = l.relation"
    " WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation'"
).format(first=sql.Literal(FIRST_USER_OID))
_SNAPSHOT = sql.SQL("SELECT pg_export_snapshot()")


class Described(NamedTuple):
    """The columns a statement would return, known without running it."""

    columns: tuple[tuple[str, int, int], ...]
    """Name, type OID and type modifier of each."""
    parameters: tuple[int, ...]
    """The type OID of each of its parameters (``$1``)."""


class Held(NamedTuple):
    """The relations that a transaction holds locks on."""

    relations: frozenset[int]
    """OIDs of those that hold or give rows of users: no indexes and no catalogues."""
    moved: tuple[str, ...]
    """Names of those that are not what the snapshot knows: rewritten, truncated or new since it was taken."""


class Leader:
    """A connection whose statements can be cancelled from any thread, and whose errors are ours."""

    def __init__(self, connection: psycopg.Connection, token: CancelToken) -> None:
        self.connection = connection
        self.version = connection.info.server_version
        self._token = token
        self.hides_values = False
        """Set where masks or conditions hide values from who reads: errors must not quote them."""
        self.narrowed = False
        """Set where who reads may read a part only: sizes must not tell of the rest."""
        self._parting_words: str | None = None
        self._parameters: ServerParameters | None = None
        self._any_bytes = connection.info.parameter_status("server_encoding") == "SQL_ASCII"
        if self._any_bytes:
            for type_ in ("text", "name"):
                connection.adapters.register_loader(type_, _AnyBytes)
        connection.add_notice_handler(self._keep_fatal)
        self._first: tuple[str, ...] = ()
        """Statements that go in one message with the next."""
        # As SHOW has it, which takes no snapshot. Servers since PostgreSQL 18 report it by themselves.
        reported = connection.info.parameter_status("search_path")
        self.search_path = reported if reported is not None else str(self.run("SHOW search_path")[0][0])

    @classmethod
    def open(cls, dsn: str | None, *, application_name: str, token: CancelToken | None = None) -> Self:
        """Connect.

        Raises:
            ConnectionFailed: The database cannot be reached or refused the login.
            Cancelled: The token was cancelled meanwhile.
        """
        token = token or CancelToken()
        connection = conninfo.connect(dsn, application_name=application_name, token=token)
        try:
            return cls(connection, token)
        except BaseException:
            connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def parameters(self) -> ServerParameters:
        """What the workers need to reach the same server."""
        if self._parameters is None:
            self._parameters = conninfo.resolved(self.connection)
        return self._parameters

    def run(self, statement: str | sql.Composable, parameters: list[Any] | None = None) -> list[Row]:
        """Run one statement (several without parameters: the last one's rows are returned).

        Raises:
            Cancelled: The token is cancelled, before or while the statement ran.
            PolyglotError: What the server said, as ``errors.statement_error`` sorts it.
        """
        query = statement.encode() if isinstance(statement, str) else statement.as_bytes(self.connection)
        if parameters is not None:
            # The extended protocol takes one statement.
            self._send_first()
        with self._cancellable():
            cursor = self.connection.execute(self._with_first(query), parameters)
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description is not None else []

    def catalogue(self, query: sql.Composable) -> list[Row]:
        """Read PostgreSQL's catalogue within the transaction, with nothing before ``pg_catalog`` in the search path.

        A user's schema may hold operators that fit better than the system's; ``query`` needs no qualified names here.
        Names that are not UTF-8 come as ``postgres.names`` says, where the server would refuse to send them as UTF8.
        """
        return self.catalogue_at_once([query])[0]

    def catalogue_at_once(self, queries: Sequence[sql.Composable]) -> list[list[Row]]:
        """The same for several questions of which none needs the answer to another: one message, one answer."""
        reading = {"search_path": "pg_catalog"} | ({"client_encoding": "SQL_ASCII"} if self._any_bytes else {})
        usual = {"search_path": self.search_path} | ({"client_encoding": "UTF8"} if self._any_bytes else {})
        batch = sql.SQL("; ").join([_set_local(reading), *queries, _set_local(usual)]).as_bytes(self.connection)
        unasked = len(self._first) + 1
        with self._cancellable():
            cursor = self.connection.execute(self._with_first(batch))
            for _ in range(unasked):
                cursor.nextset()
            found = [cursor.fetchall()]
            while len(found) < len(queries) and cursor.nextset():
                found.append(cursor.fetchall())
            return found

    def describe(self, statement: str) -> Described:
        """Parse a statement alone by the extended protocol, which takes exactly one and runs nothing.

        PostgreSQL manual, "Message Flow", Extended Query: a Parse message may not include more than one statement.
        """
        pgconn = self.connection.pgconn
        self._send_first()
        with self._cancellable():
            pgconn.send_prepare(b"", statement.encode())
            self._result()
            pgconn.send_describe_prepared(b"")
            result = self._result()
        names = (result.fname(index) or b"" for index in range(result.nfields))
        columns = tuple(
            (name.decode(self.connection.info.encoding, "replace"), result.ftype(index), result.fmod(index))
            for index, name in enumerate(names)
        )
        return Described(columns, tuple(result.param_type(index) for index in range(result.nparams)))

    def begin(self, settings: tuple[str, ...], lock: sql.Composable | None) -> None:
        """Open the transaction and lock, in one message; no snapshot is taken. A transaction that is open is left."""
        self._first = ()
        is_open = self.connection.info.transaction_status != pq.TransactionStatus.IDLE
        statements = [*(["ROLLBACK"] if is_open else []), BEGIN, *settings]
        if lock is not None:
            statements.append(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(lock).as_string(self.connection))
        self.run("; ".join(statements))

    def begin_with_next(self, settings: tuple[str, ...]) -> None:
        """Open the transaction in one message with the next statement. The settings must be such as the server takes,
        since the error of one would be that of the statement.
        """
        self._first = (BEGIN, *settings)

    def _with_first(self, query: bytes) -> bytes:
        first, self._first = self._first, ()
        return "; ".join([*first, ""]).encode() + query

    def _send_first(self) -> None:
        if self._first:
            self.run("SELECT")

    def rollback(self) -> None:
        """Leave the transaction, whatever state it is in."""
        self._first = ()
        with self._cancellable():
            self.connection.rollback()

    def held(self) -> Held:
        """The locks of this transaction.

        What was made after the snapshot is not in its ``pg_class``; ``pg_get_indexdef``, which does not read by the
        snapshot, tells whether it is an index. Mapped catalogues have no ``relfilenode`` of their own (0) and cannot be
        compared; they cannot be truncated either.
        """
        return _held(self.catalogue(_HELD))

    def export_snapshot(self, *queries: sql.Composable) -> tuple[Held, str, list[list[Row]]]:
        """The locks of this transaction; the identifier under which workers import its snapshot (manual, "Snapshot
        Synchronization"), which is to be thrown away where something has moved; and the answers to further questions.
        """
        held, [(snapshot,)], *answers = self.catalogue_at_once([_HELD, _SNAPSHOT, *queries])
        return _held(held), str(snapshot), answers

    def check(self) -> None:
        """See, without a round trip, whether the server has ended the connection.

        Raises:
            ConnectionLost: It has.
        """
        try:
            poll = select.poll()
            poll.register(self.connection.fileno(), select.POLLIN)
            while poll.poll(0):
                self.connection.pgconn.consume_input()
                self.connection.pgconn.is_busy()  # hands notices to _keep_fatal
        except psycopg.Error as error:
            raise self._lost(error) from None

    def prove_alive(self) -> None:
        """A round trip inside the transaction: if it succeeds, every lock was held until now.

        Raises:
            ConnectionLost: The connection or its transaction is gone.
        """
        try:
            self.connection.execute("SELECT 1")
        except psycopg.Error as error:
            raise self._lost(error) from None
        if self.connection.info.transaction_status != pq.TransactionStatus.INTRANS:
            raise ConnectionLost("the leader's transaction ended before the export was complete")

    def close(self) -> None:
        """Close; the server rolls back. Idempotent."""
        self.connection.close()

    def _lost(self, error: psycopg.Error) -> ConnectionLost:
        reason = self._parting_words or str(error).strip().replace("\n", " ")
        return ConnectionLost(f"the leader's connection to the database was lost: {reason}", sqlstate=error.sqlstate)

    def _keep_fatal(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        """The server's reason for ending an idle connection arrives as a notice."""
        if diagnostic.severity_nonlocalized in ("FATAL", "PANIC"):
            self._parting_words = diagnostic.message_primary

    def _result(self) -> pq.abc.PGresult:
        """The one result of what was sent, or its error as psycopg's exception."""
        results: list[pq.abc.PGresult] = self.connection.wait(generators.execute(self.connection.pgconn))
        result = results[-1]
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result, self.connection.info.encoding)
        return result

    def _cancellable(self) -> _Cancellable:
        return _Cancellable(self.connection, self._token)


def _held(rows: list[Row]) -> Held:
    return Held(
        frozenset(oid for oid, is_source, _ in rows if is_source),
        tuple(moved for _, _, moved in rows if moved is not None),
    )


class _AnyBytes(psycopg.adapt.Loader):
    """Text of a database without an encoding."""

    def load(self, data: psycopg.abc.Buffer) -> str:
        """Keep what is not UTF-8, as half surrogates."""
        return bytes(data).decode(errors="surrogateescape")


def _set_local(values: dict[str, str]) -> sql.Composable:
    """One SELECT, whatever the number of settings."""
    calls = (
        sql.SQL("pg_catalog.set_config({}, {}, true)").format(sql.Literal(name), sql.Literal(value))
        for name, value in values.items()
    )
    return sql.SQL("SELECT {}").format(sql.SQL(", ").join(calls))


class _Cancellable:
    """While a statement runs, a cancelled token cancels it in the server; its error then is ``Cancelled``."""

    def __init__(self, connection: psycopg.Connection, token: CancelToken) -> None:
        self._connection = connection
        self._token = token
        self._running = threading.Event()

    def __enter__(self) -> None:
        if self._token.cancelled:
            raise Cancelled("the export was cancelled")
        self._running.set()
        self._forget = self._token.on_cancel(self._start)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.clear()
        self._forget()
        if isinstance(error, psycopg.Error):
            if self._token.cancelled:
                raise Cancelled("the export was cancelled") from None
            raise database_error(error) from None

    def _start(self) -> None:
        # The thread that cancels may be that of an event loop and must not wait for the network.
        threading.Thread(target=self._insist, name="polyglot-cancel", daemon=True).start()

    def _insist(self) -> None:
        while self._running.is_set():
            try:
                self._connection.cancel_safe(timeout=CANCEL_TIMEOUT)
            except psycopg.Error:
                if self._connection.closed:
                    return
            time.sleep(CANCEL_INTERVAL)
