"""An export that nobody pulls any more ends by itself, and no circle of references keeps one that was dropped."""

from __future__ import annotations

import asyncio
import gc
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from polyglot_export import Cancelled, Export, StatementFailed, aexport, export
from tests.library.helpers import filled
from tests.library.test_export import assert_released

LONG = "SELECT generate_series(1, 1000000000) AS g, repeat('x', 1000) AS filler"


@contextmanager
def no_collector() -> Iterator[None]:
    """Only the count of references frees anything."""
    gc.collect()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            yield
    finally:
        gc.enable()


def generator(dsn: str) -> Iterator[bytes]:
    """As a web framework is given one."""
    with export(dsn, query=LONG) as chunks:
        yield from chunks


def drop_generator(dsn: str) -> None:
    next(generator(dsn))


def drop_export(dsn: str) -> None:
    next(export(dsn, query=LONG))


def drop_watched_export(dsn: str) -> None:
    next(export(dsn, query=LONG, idle_timeout=3600))


def drop_failed_export(dsn: str) -> None:
    with pytest.raises(StatementFailed):
        list(export(dsn, query="SELECT 1 / (5 - g) AS x FROM generate_series(1, 10) AS g"))


def drop_cancelled_export(dsn: str) -> None:
    chunks = export(dsn, query=LONG)
    next(chunks)
    chunks.cancel()
    with pytest.raises(Cancelled):
        next(chunks)


@pytest.mark.parametrize(
    "drop", [drop_generator, drop_export, drop_watched_export, drop_failed_export, drop_cancelled_export]
)
def test_a_dropped_export_is_closed_at_once(dsn: str, conn: psycopg.Connection, drop: Callable[[str], None]) -> None:
    with no_collector():
        drop(dsn)
        assert_released(conn)


def test_a_dropped_asyncio_export_is_closed_at_once(dsn: str, conn: psycopg.Connection) -> None:
    async def main() -> None:
        chunks = aexport(dsn, query=LONG)
        await chunks.__aenter__()
        await anext(chunks)

    with no_collector():
        asyncio.run(main())
        assert_released(conn)


def test_an_export_that_nobody_pulls_is_ended(dsn: str, conn: psycopg.Connection) -> None:
    kept = export(dsn, query=LONG, idle_timeout=0.5)
    assert next(kept)
    assert_released(conn)
    for _ in range(2):
        with pytest.raises(Cancelled, match=r"nobody took a chunk for 0.5 s \(idle_timeout\)"):
            next(kept)
    kept.close()


def test_an_export_that_nobody_began_to_pull(dsn: str, conn: psycopg.Connection) -> None:
    kept = export(dsn, query=LONG, idle_timeout=0.5)
    assert_released(conn)
    with pytest.raises(Cancelled, match="idle_timeout"):
        next(kept)


def test_the_same_in_an_event_loop(dsn: str, conn: psycopg.Connection) -> None:
    async def main() -> None:
        async with aexport(dsn, query=LONG, idle_timeout=0.5) as chunks:
            await anext(chunks)
            await asyncio.to_thread(assert_released, conn)
            with pytest.raises(Cancelled, match="idle_timeout"):
                while True:
                    await anext(chunks)

    asyncio.run(main())


def test_a_slow_query_is_not_idle(dsn: str, conn: psycopg.Connection) -> None:
    """Waiting for the server is no idleness, and neither is a reader that comes in time."""
    query = "SELECT g, pg_sleep(1.5)::text AS pause FROM generate_series(1, 2) AS g"
    with export(dsn, query=query, idle_timeout=1) as chunks:
        assert b"".join(chunks).count(b"\n") == 3
    rows = filled(conn, "t", 3000)
    with export(dsn, "t", idle_timeout=5) as chunks:
        lines = 0
        for chunk in chunks:
            lines += chunk.count(b"\n")
            time.sleep(0.01)
        time.sleep(0.2)
    assert lines == rows + 1
    assert chunks.result().rows == rows


def test_a_complete_export_stays_complete(dsn: str) -> None:
    with export(dsn, query="SELECT 1 AS one", idle_timeout=0.2) as chunks:
        assert list(chunks) == [b"one\n1\n"]
        time.sleep(0.6)
        assert isinstance(chunks, Export)
        assert chunks.next_chunk() is None
        assert chunks.result().rows == 1
