"""The limit of every export: how fast the server sends the rows of a table, as binary COPY that nobody looks at."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
import time
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg import sql

from polyglot_export.cli.bench.source import Source
from polyglot_export.errors import PolyglotError

__all__ = ["Drained", "drain"]

READ_BYTES: Final = 256 << 10
"""One read of a socket."""
TAIL_BYTES: Final = 4096
"""What is kept of the end of an answer: it says how many rows were sent, or what went wrong."""
CTID_RANGES: Final = 140000
"""The version from which on a range of ctid is a scan of its pages alone (release notes of PostgreSQL 14)."""
_MESSAGE: Final = re.compile(rb"E....S[^\0]+\0(?:V[^\0]+\0)?C[^\0]+\0M([^\0]+)\0", re.DOTALL)
"""ErrorResponse (manual, "Error and Notice Message Fields")."""
_COPIED: Final = re.compile(rb"C....COPY (\d+)\0", re.DOTALL)


@dataclass(frozen=True)
class Drained:
    """A table that was read and dropped.

    Attributes:
        seconds: From the first connection to the last byte.
        cpu: CPU seconds of the client: the kernel's work for the sockets, and little else.
        received: Bytes.
    """

    seconds: float
    cpu: float
    received: int


def drain(source: Source, connections: int) -> Drained:
    """Have the table sent by several connections on one snapshot, each a range of its pages.

    libpq logs in; then the query and the goodbye go out together, and everything up to the end of the connection is
    dropped unread. What is no plain table, or is on a server before 14, is sent by one connection.

    Raises:
        PolyglotError: The server sent an error, or other rows than the table has.
    """
    try:
        return _drained(source, connections)
    except psycopg.Error as error:
        raise PolyglotError(f"the limit could not be measured: {error}") from error


def _drained(source: Source, connections: int) -> Drained:
    began, spent = time.perf_counter(), time.process_time()
    with psycopg.connect(source.server.uri, application_name="polyglot bench limit") as leader:
        leader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        statements = _statements(leader, source, connections)
        snapshot = leader.execute("SELECT pg_export_snapshot()").fetchone()
        readers = [_Reader(source.server.uri, statement, str((snapshot or ("",))[0])) for statement in statements]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    rows = sum(reader.rows() for reader in readers)
    if rows != source.rows:
        raise PolyglotError(f"the server sent {rows:,} rows instead of {source.rows:,}")
    return Drained(time.perf_counter() - began, time.process_time() - spent, sum(reader.received for reader in readers))


def _statements(leader: psycopg.Connection, source: Source, connections: int) -> list[bytes]:
    table = sql.Identifier(source.schema, source.table)
    found = leader.execute(
        "SELECT relkind = 'r' AND relam = (SELECT oid FROM pg_am WHERE amname = 'heap'),"
        " pg_relation_size(oid) / current_setting('block_size')::int FROM pg_class WHERE oid = %s::text::regclass",
        [table.as_string(leader)],
    ).fetchone()
    plain, pages = found or (False, 0)
    if not plain or leader.info.server_version < CTID_RANGES or pages < connections:
        ranges: list[sql.Composable] = [sql.SQL("")]
    else:
        bounds = [pages * number // connections for number in range(connections)]
        # The last one is open: what was added since is not in the snapshot.
        ends: list[sql.Composable] = [sql.SQL(" AND ctid < '({},0)'").format(bound) for bound in bounds[1:]] + [
            sql.SQL("")
        ]
        ranges = [
            sql.SQL(" WHERE ctid >= '({},0)'{}").format(bound, end) for bound, end in zip(bounds, ends, strict=True)
        ]
    copy = sql.SQL("COPY (SELECT * FROM {}{}) TO STDOUT (FORMAT binary)")
    return [copy.format(table, where).as_bytes(leader) for where in ranges]


class _Reader(threading.Thread):
    """One connection."""

    def __init__(self, uri: str, statement: bytes, snapshot: str) -> None:
        super().__init__(daemon=True)
        self.received = 0
        self._uri = uri
        self._statement = statement
        self._snapshot = snapshot
        self._tail = b""
        self._error: Exception | None = None

    def run(self) -> None:
        """Ask, and read to the end."""
        try:
            # Its bytes are taken from under libpq, which TLS would not let them be.
            with psycopg.connect(self._uri, sslmode="disable", application_name="polyglot bench limit") as connection:
                connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(self._snapshot))
                with socket.socket(fileno=os.dup(connection.pgconn.socket)) as raw:
                    self._drain(raw)
                connection.close()
        except (psycopg.Error, OSError) as error:
            self._error = error

    def _drain(self, raw: socket.socket) -> None:
        raw.setblocking(True)
        query = self._statement + b"\0"
        # Query and Terminate (manual, "Message Formats").
        raw.sendall(b"Q" + (len(query) + 4).to_bytes(4) + query + b"X" + (4).to_bytes(4))
        buffer = bytearray(READ_BYTES)
        view = memoryview(buffer)
        with contextlib.suppress(ConnectionResetError):
            while count := raw.recv_into(buffer):
                self.received += count
                self._tail = (self._tail + bytes(view[max(0, count - TAIL_BYTES) : count]))[-TAIL_BYTES:]

    def rows(self) -> int:
        """How many rows the server says it has sent.

        Raises:
            PolyglotError: It says something else.
        """
        copied = _COPIED.findall(self._tail)
        if self._error is not None or not copied:
            told = _MESSAGE.search(self._tail)
            said = told[1].decode(errors="replace") if told is not None else self._error or "the answer has no end"
            raise PolyglotError(f"the limit could not be measured: {said}")
        return int(copied[-1])
