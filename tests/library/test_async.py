"""The same export in an event loop: one thread each, cancelled by leaving, nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import warnings

import psycopg
import pytest

from polyglot_export import Cancelled, ConnectionLost, Export, SpecError, UnknownDataset, aexport, export
from polyglot_export.cancel import CancelToken
from polyglot_export.execution.feed import ChunkFeed
from polyglot_export.library.sync import open_export
from polyglot_export.request.parse import parse_spec
from tests.library.helpers import copied, filled
from tests.library.test_export import assert_released


def feed_threads() -> int:
    return sum(thread.name == "polyglot-feed" for thread in threading.enumerate())


def test_whole_export(dsn: str, conn: psycopg.Connection) -> None:
    filled(conn, "t", 1500)

    async def main() -> bytes:
        async with aexport(dsn, "t") as chunks:
            data = b"".join([chunk async for chunk in chunks])
            assert chunks.result().bytes == len(data) == chunks.progress().bytes
            assert chunks.plan.source == "public.t"
            assert chunks.snapshot
        return data

    assert asyncio.run(main()) == copied(conn, "SELECT * FROM t")
    assert feed_threads() == 0
    assert_released(conn)


def test_many_at_once(dsn: str, conn: psycopg.Connection) -> None:
    filled(conn, "t", 200)
    expected = copied(conn, "SELECT * FROM t")

    async def one() -> bytes:
        async with aexport(dsn, "t", workers=1) as chunks:
            return b"".join([chunk async for chunk in chunks])

    async def main() -> list[bytes]:
        return await asyncio.gather(*(one() for _ in range(6)))

    assert asyncio.run(main()) == [expected] * 6


def test_errors_come_where_they_belong(dsn: str, conn: psycopg.Connection) -> None:
    async def main() -> None:
        with pytest.raises(SpecError, match="must not be empty"):
            aexport(dsn, "t", columns=[])
        with pytest.raises(UnknownDataset):
            async with aexport(dsn, "nope"):
                pass
        async with aexport(dsn, query="SELECT 1 / (5 - g) AS x FROM generate_series(1, 10) AS g") as chunks:
            with pytest.raises(Exception, match="division by zero"):
                _ = [chunk async for chunk in chunks]

    asyncio.run(main())
    assert_released(conn)


def test_leaving_cancels(dsn: str, conn: psycopg.Connection) -> None:
    async def main() -> None:
        async with aexport(dsn, query="SELECT generate_series(1, 1000000000) AS g") as chunks:
            async for _ in chunks:
                break
        assert feed_threads() == 0

    started = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - started < 30
    assert_released(conn)


def test_a_cancelled_task_leaves_nothing(dsn: str, conn: psycopg.Connection) -> None:
    async def run() -> None:
        async with aexport(dsn, query="SELECT pg_sleep(60) AS s") as chunks:
            async for _ in chunks:
                pass

    async def main() -> None:
        task = asyncio.create_task(run())
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert_released(conn)


def test_a_feed_cancelled_while_it_waits_for_a_lock(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE t AS SELECT 1 AS id")
    spec = parse_spec({"format": "csv", "dataset": "t"})

    def opener(token: CancelToken) -> Export:
        return open_export(spec, dsn=dsn, token=token)

    async def main() -> None:
        feed = ChunkFeed(opener)
        asyncio.get_running_loop().call_later(0.3, feed.cancel)
        with pytest.raises(Cancelled):
            await feed.start()
        await feed.aclose()
        await feed.aclose()

    with psycopg.connect(dsn) as holder:
        holder.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        asyncio.run(main())
        assert time.monotonic() - started < 30
    assert_released(conn)


def test_a_feed_never_looks_complete_after_a_failure(dsn: str, conn: psycopg.Connection) -> None:
    filled(conn, "t", 1500)

    async def main() -> None:
        feed = ChunkFeed(lambda token: open_export(parse_spec({"format": "csv", "dataset": "t"}), dsn=dsn, token=token))
        opened = await feed.start()
        assert await feed.next_chunk() is not None
        conn.execute("SELECT pg_terminate_backend(%s, 10000)", [opened._leader.connection.info.backend_pid])
        with pytest.raises(ConnectionLost):
            while await feed.next_chunk() is not None:
                pass
        for _ in range(2):
            with pytest.raises(ConnectionLost):
                await feed.next_chunk()
        await feed.aclose()

    asyncio.run(main())


def test_the_queue_is_short(dsn: str, conn: psycopg.Connection) -> None:
    """A reader that stops, stops the export: back-pressure goes through the queue to the server."""
    filled(conn, "t", 3000)

    async def main() -> None:
        async with aexport(dsn, "t") as chunks:
            await anext(aiter(chunks))
            before, now = -1, chunks.progress().bytes
            while now != before:
                await asyncio.sleep(0.3)
                before, now = now, chunks.progress().bytes
            assert now < 1_500_000

    asyncio.run(main())


def test_a_forgotten_async_export(dsn: str, conn: psycopg.Connection) -> None:
    filled(conn, "t", 3000)

    async def main() -> None:
        chunks = aexport(dsn, "t")
        await chunks.__aenter__()
        await anext(aiter(chunks))
        del chunks
        gc.collect()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(main())
        gc.collect()
    assert ResourceWarning in [warning.category for warning in caught]
    assert_released(conn)


def test_sync_and_async_give_the_same_bytes(dsn: str, conn: psycopg.Connection) -> None:
    filled(conn, "t", 300)

    async def main() -> bytes:
        async with aexport(dsn, "t", format="xml", compression="gzip") as chunks:
            return b"".join([chunk async for chunk in chunks])

    with export(dsn, "t", format="xml", compression="gzip") as chunks:
        assert asyncio.run(main()) == b"".join(chunks)
