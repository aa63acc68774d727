"""What every engine promises: the bytes are a function of the plan, complete or an error."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from polyglot_export import Cancelled, PolyglotError, parse_spec
from polyglot_export._core import Sha256, Writer
from polyglot_export.execution.engines.base import ChunkStream, Engine
from polyglot_export.execution.engines.registry import ENGINES
from polyglot_export.execution.opening import open_moment
from polyglot_export.limits import PAGES_PER_SEGMENT, Limits
from polyglot_export.planning.plan import Plan
from polyglot_export.planning.planner import plan
from tests.library.helpers import copied, filled
from tests.service.client import GONE_SECONDS, wait_for

SMALL = Limits(workers=2, chunk_bytes=64 * 1024, window_bytes=256 * 1024)
"""So that a stream of a few segments cannot run ahead of its reader."""

OTHERS = b"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
"""How many connections there are: the leader's and those of the engine."""


@pytest.fixture(params=ENGINES.values(), ids=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each of the registry."""
    found: Engine = request.param
    return found


@contextmanager
def planned(dsn: str, limits: Limits = SMALL, **what: object) -> Iterator[Plan]:
    """A plan, whose moment is held."""
    spec = parse_spec({"format": "csv", **what})
    with open_moment(spec, dsn=dsn) as moment:
        yield plan(moment, spec, limits)


def read(stream: ChunkStream) -> bytes:
    return b"".join(iter(stream.next_chunk, None))


def write(stream: ChunkStream, path: Path, hasher: Sha256) -> int:
    """Let the engine write the file; gives the bytes that it says it wrote."""
    with path.open("wb") as file, closing(Writer(file.fileno())) as writer:
        written = sum(iter(lambda: stream.write_chunk(writer, hasher), None))
        assert stream.write_chunk(writer, hasher) is None
    return written


def test_it_is_registered_by_its_name() -> None:
    assert ENGINES
    assert all(engine.name == name for name, engine in ENGINES.items())


def test_the_bytes_are_those_of_copy_whatever_the_sizes(dsn: str, conn: psycopg.Connection, engine: Engine) -> None:
    filled(conn, "t", 3 * PAGES_PER_SEGMENT)
    expected = copied(conn, "SELECT * FROM t")
    with planned(dsn, dataset="t") as made:
        assert made.segments == 3
        for limits in (SMALL, Limits(workers=1), Limits(workers=4, chunk_bytes=1 << 20)):
            with closing(engine.open(made.resized(limits))) as stream:
                assert read(stream) == expected


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_compressed_bytes_do_not_depend_on_the_sizes(
    dsn: str, conn: psycopg.Connection, engine: Engine, compression: str
) -> None:
    filled(conn, "t", 2 * PAGES_PER_SEGMENT)
    files = set()
    with planned(dsn, dataset="t", compression=compression) as made:
        for limits in (SMALL, Limits(workers=1)):
            with closing(engine.open(made.resized(limits))) as stream:
                files.add(read(stream))
    assert len(files) == 1


def test_progress_goes_from_nothing_to_everything(dsn: str, conn: psycopg.Connection, engine: Engine) -> None:
    rows = filled(conn, "t", 2 * PAGES_PER_SEGMENT)
    with planned(dsn, dataset="t") as made, closing(engine.open(made)) as stream:
        before = stream.progress()
        assert (before.rows, before.bytes, before.segments_done, before.segments_total) == (0, 0, 0, 2)
        size = len(read(stream))
        after = stream.progress()
        assert (after.rows, after.bytes, after.segments_done, after.segments_total) == (rows, size, 2, 2)
        assert list(after.losses) == [0, 0]


def test_what_it_writes_is_what_it_hands_out(
    dsn: str, conn: psycopg.Connection, engine: Engine, tmp_path: Path
) -> None:
    """Ordinary rows, and rows of several chunks, which are written whole."""
    filled(conn, "t", 2 * PAGES_PER_SEGMENT)
    for what in ({"dataset": "t"}, {"query": "SELECT g, repeat(g::text, 300000) AS x FROM generate_series(7, 9) AS g"}):
        hasher, target = Sha256(), tmp_path / "written"
        with planned(dsn, SMALL, **what) as made, closing(engine.open(made)) as stream:
            expected = read(stream)
            with closing(engine.open(made)) as again:
                assert write(again, target, hasher) == again.progress().bytes == len(expected)
                assert again.progress().rows == stream.progress().rows
        assert target.read_bytes() == expected
        assert hasher.hexdigest() == hashlib.sha256(expected).hexdigest()


def test_what_cannot_be_written_ends_it(dsn: str, conn: psycopg.Connection, engine: Engine) -> None:
    """What would come next must not be taken for what follows the bytes that are missing."""
    filled(conn, "t", 2 * PAGES_PER_SEGMENT)
    with planned(dsn, dataset="t") as made, closing(engine.open(made)) as stream:
        reading, writing = os.pipe()
        with closing(Writer(writing)) as writer:
            os.close(writing)
            os.close(reading)
            with pytest.raises(BrokenPipeError) as raised:
                stream.write_chunk(writer)
            assert (raised.value.errno, raised.value.strerror) == (errno.EPIPE, os.strerror(errno.EPIPE))
            with pytest.raises(Cancelled):
                stream.write_chunk(writer)
        with pytest.raises(Cancelled):
            stream.next_chunk()


def test_it_is_cancelled_while_a_reader_is_waited_for(dsn: str, conn: psycopg.Connection, engine: Engine) -> None:
    filled(conn, "t", 2 * PAGES_PER_SEGMENT)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with planned(dsn, dataset="t") as made, closing(engine.open(made)) as stream, closing(Writer(writing)) as writer:
        stopper = threading.Timer(0.2, stream.cancel)
        stopper.start()
        try:
            with pytest.raises(Cancelled):
                write_all(stream, writer)
        finally:
            stopper.join()
            os.close(reading)
            os.close(writing)


def write_all(stream: ChunkStream, writer: Writer) -> None:
    while stream.write_chunk(writer) is not None:
        pass


def test_the_end_stays_the_end(dsn: str, conn: psycopg.Connection, engine: Engine) -> None:
    filled(conn, "t", 1)
    with planned(dsn, dataset="t") as made, closing(engine.open(made)) as stream:
        assert read(stream)
        assert stream.next_chunk() is None


def test_an_error_is_raised_again_and_never_looks_complete(dsn: str, engine: Engine) -> None:
    query = "SELECT 1 / (g - 300000) AS x, repeat('x', 100) AS y FROM generate_series(1, 400000) AS g"
    with planned(dsn, query=query) as made, closing(engine.open(made)) as stream:
        for _ in range(2):
            with pytest.raises(PolyglotError, match="division by zero") as raised:
                read(stream)
            assert raised.value.sqlstate == "22012"


ENDS: dict[str, Callable[[ChunkStream], None]] = {
    "cancelled": lambda stream: stream.cancel(),
    "closed": lambda stream: stream.close(),
}


@pytest.mark.parametrize("end", ENDS)
def test_it_stops_when_it_is_told_to(dsn: str, engine: Engine, end: str) -> None:
    """The query sleeps for longer than any test may run, so that only the end can end it."""
    with planned(dsn, query="SELECT pg_sleep(3600)::text AS x") as made, closing(engine.open(made)) as stream:
        stopper = threading.Timer(0.2, ENDS[end], [stream])
        stopper.start()
        try:
            with pytest.raises(Cancelled):
                stream.next_chunk()
        finally:
            stopper.join()
        with pytest.raises(Cancelled):
            stream.next_chunk()


def test_it_may_be_closed_at_any_time_and_again(dsn: str, conn: psycopg.Connection, engine: Engine) -> None:
    filled(conn, "t", 2 * PAGES_PER_SEGMENT)
    with planned(dsn, dataset="t") as made:
        unread = engine.open(made)
        unread.close()
        unread.close()
        half_read = engine.open(made)
        assert half_read.next_chunk()
        half_read.close()
        half_read.close()
        wait_for(lambda: conn.execute(OTHERS).fetchone() == (1,), seconds=GONE_SECONDS)
