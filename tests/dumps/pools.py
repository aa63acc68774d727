"""What the tests of engines share: tables, a gate that holds a part up, and a pool that shows what it is given."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from polyglot_export import DumpResult, dump
from polyglot_export.dumps.cluster.task import run_part
from polyglot_export.manifest.document import Manifest
from tests.cli.helpers import GONE_SECONDS, wait_until
from tests.dumps.helpers import files

TABLES = """
CREATE TABLE large AS SELECT g AS id, md5(g::text) || repeat('x', 300) AS pad, g * 1.25 AS value
  FROM generate_series(1, 110000) g;
CREATE TABLE small AS SELECT g AS id, 'line' || g AS note FROM generate_series(1, 100) g;
CREATE TABLE empty (id int, note text);
CREATE TABLE parted (id int, pad text) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (3000);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (3000) TO (6000);
INSERT INTO parted SELECT g, repeat('y', 1000) FROM generate_series(0, 5999) g;
VACUUM ANALYZE;
"""
GATE = 4711
"""Of an advisory lock."""
WAITS = f"""
CREATE FUNCTION gate() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
  WHILE NOT pg_try_advisory_xact_lock_shared({GATE}) LOOP PERFORM pg_sleep(0.02); END LOOP;
  RETURN true;
END $$
"""
"""It asks again and again: a worker would not wait for a lock for longer than its ``lock_timeout``."""

PARTS = 8 << 20
"""Bytes of a part: a segment each."""
GATED = {"gated": "SELECT 1 AS one, gate()"}
"""A query whose worker waits for as long as a test holds the gate."""


def fill(dsn: str) -> None:
    """Make the tables."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        for statement in TABLES.split(";\n"):
            conn.execute(statement.encode())
        conn.execute(WAITS.encode())


@contextmanager
def gate(dsn: str) -> Iterator[Callable[[], None]]:
    """Hold the gate; gives what opens it."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("SELECT pg_advisory_lock(%s)", [GATE])

        def open_gate() -> None:
            conn.execute("SELECT pg_advisory_unlock_all()")

        yield open_gate


def waiting(dsn: str) -> int:
    """How many sessions stand before the gate."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        rows = conn.execute(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
        ).fetchall()
    return len(rows)


def sessions(dsn: str) -> list[str]:
    """What dumps have open."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        rows = conn.execute(
            "SELECT application_name FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'polyglot%'"
        ).fetchall()
    return [name for (name,) in rows]


def nothing_is_left(dsn: str, folder: Path) -> None:
    assert files(folder) == []
    wait_until(lambda: sessions(dsn) == [], GONE_SECONDS)


def digests(manifest: Manifest) -> dict[str, str]:
    return {part.path: part.sha256 for relation in manifest.relations for part in relation.parts}


class Begun:
    """A dump in another thread."""

    def __init__(self, *what: Any, **how: Any) -> None:
        self._outcome: Future[DumpResult] = Future()
        self._thread = threading.Thread(target=self._run, args=(what, how), daemon=True)
        self._thread.start()

    def result(self) -> DumpResult:
        try:
            return self._outcome.result(60)
        finally:
            self._thread.join()

    def _run(self, what: tuple[Any, ...], how: dict[str, Any]) -> None:
        try:
            self._outcome.set_result(dump(*what, **how))
        except BaseException as error:  # noqa: BLE001 - raised again by result()
            self._outcome.set_exception(error)


class Inline(Executor):
    """Runs a task in a thread of its own, and keeps what it was given; what it hands on can be changed."""

    def __init__(self, change: Callable[[dict[str, Any]], object] = lambda _: None) -> None:
        self.texts: list[str] = []
        self._change = change
        self._pool = ThreadPoolExecutor(2)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_kwargs: Any) -> Future[Any]:
        (text,) = args
        assert fn is run_part
        self.texts.append(text)
        given = json.loads(text)
        self._change(given)
        return self._pool.submit(fn, json.dumps(given))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait, cancel_futures=cancel_futures)
