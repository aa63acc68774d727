"""What the other users of a server feel of an export: how long it holds a transaction open, and how long they wait."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import psycopg

from polyglot_export.cli.bench.source import PROBE, PROBE_ROWS, Source

__all__ = ["Latency", "Seen", "Watch"]

SAMPLE_SECONDS: Final = 0.02
"""Between two looks at ``pg_stat_activity``; a transaction may be longer by this than what was seen of it."""
PROBE_SECONDS: Final = 0.005
"""Between two reads of the probe."""
PROBE_STEP: Final = 7_919
"""From key to key: a prime, so that every row has its turn, and neighbours are far apart."""

_ACTIVITY: Final = """
SELECT
    coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8,
    coalesce(max(extract(epoch FROM clock_timestamp() - query_start)) FILTER (WHERE state = 'active'), 0)::float8,
    count(*)
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> ALL (%s)
"""
_TEMPORARY: Final = "SELECT temp_bytes FROM pg_stat_database WHERE datname = current_database()"


@dataclass(frozen=True)
class Latency:
    """How long the reads of the probe took, in seconds.

    Each is counted from the moment at which it was due, so that a read that waited for the one before it is as slow as
    it was for whoever asked.
    """

    reads: int
    median: float
    p99: float
    greatest: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency | None:
        """``None`` where nothing was read."""
        if not seconds:
            return None
        ordered = sorted(seconds)
        return cls(len(ordered), _at(ordered, 0.5), _at(ordered, 0.99), ordered[-1])


@dataclass(frozen=True)
class Seen:
    """What was seen beside one run.

    Attributes:
        transaction: Seconds of the longest transaction.
        statement: Seconds of the longest statement.
        connections: Most connections at once.
        temporary: Bytes of the server's temporary files; those of others in the same database count as well.
        latency: Of the probe; ``None`` where the server is not ours to write a table into.
    """

    transaction: float
    statement: float
    connections: int
    temporary: int
    latency: Latency | None

    def members(self) -> dict[str, object]:
        """For the JSON file: seconds, but for the probe milliseconds."""
        probe = None
        if self.latency is not None:
            milliseconds = {name: value * 1000 for name, value in asdict(self.latency).items() if name != "reads"}
            probe = {"reads": self.latency.reads, **{name: round(ms, 3) for name, ms in milliseconds.items()}}
        return {
            "longestTransactionSeconds": round(self.transaction, 3),
            "longestStatementSeconds": round(self.statement, 3),
            "connections": self.connections,
            "temporaryBytes": self.temporary,
            "probeMilliseconds": probe,
        }


@dataclass
class _Found:
    transaction: float = 0.0
    statement: float = 0.0
    connections: int = 0
    reads: list[float] = field(default_factory=list)


class Watch:
    """Looks at the server while its block runs, by two threads with a connection each.

    Args:
        source: Where; the probe reads by key in a table of its own, where the server has one.
    """

    def __init__(self, source: Source) -> None:
        self._uri = source.server.uri
        self._found = _Found()
        self._over = threading.Event()
        self._failures: list[BaseException] = []
        self._eye = psycopg.connect(self._uri, autocommit=True, application_name="polyglot bench")
        self._hand = None
        pids = [self._eye.info.backend_pid]
        if source.probe:
            self._hand = psycopg.connect(self._uri, autocommit=True, application_name="polyglot bench probe")
            pids.append(self._hand.info.backend_pid)
        self._own = pids
        self._before = 0
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._before = self._temporary()
        loops: dict[str, Callable[[], None]] = {"look": self._look}
        if self._hand is not None:
            loops["probe"] = self._read
        self._threads = [
            threading.Thread(target=self._kept, args=(loop,), name=name, daemon=True) for name, loop in loops.items()
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        if self._hand is not None:
            self._hand.close()
        if kind is not None:
            self._eye.close()
        elif self._failures:
            self._eye.close()
            raise self._failures[0]

    def seen(self) -> Seen:
        """What was seen, once the block is over and the server has counted what its processes did; called once."""
        with self._eye:
            temporary = self._temporary() - self._before
        found = self._found
        return Seen(found.transaction, found.statement, found.connections, temporary, Latency.of(found.reads))

    def _temporary(self) -> int:
        row = self._eye.execute(_TEMPORARY).fetchone()
        return 0 if row is None else int(row[0])

    def _kept(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except Exception as error:  # noqa: BLE001 (it is raised in the thread that waits)
            self._failures.append(error)

    def _look(self) -> None:
        found = self._found
        while not self._over.wait(SAMPLE_SECONDS):
            row: Any = self._eye.execute(_ACTIVITY, [self._own]).fetchone()
            found.transaction = max(found.transaction, row[0])
            found.statement = max(found.statement, row[1])
            found.connections = max(found.connections, row[2])

    def _read(self) -> None:
        hand = self._hand
        if hand is None:
            return
        begun = time.perf_counter()
        number = 0
        while not self._over.is_set():
            due = begun + number * PROBE_SECONDS
            wait = due - time.perf_counter()
            if wait > 0 and self._over.wait(wait):
                return
            key = number * PROBE_STEP % PROBE_ROWS + 1
            hand.execute(f"SELECT payload FROM {PROBE} WHERE id = %s", [key], prepare=True).fetchone()  # noqa: S608
            self._found.reads.append(time.perf_counter() - due)
            number += 1


def _at(ordered: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
