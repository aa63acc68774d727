"""What every kind of source promises, whatever it reads. A new kind needs a sample here, and nothing else."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from polyglot_export import SpecError, UnknownDataset, parse_spec
from polyglot_export.execution.engines.local import LOCAL
from polyglot_export.limits import Limits
from polyglot_export.planning.moment import Moment
from polyglot_export.planning.planner import plan
from polyglot_export.postgres.leader import Leader
from polyglot_export.sources.base import Source
from polyglot_export.sources.query import QuerySource
from polyglot_export.sources.registry import SOURCES
from polyglot_export.sources.table import TableSource
from tests.library.helpers import copied

TABLE = (
    "CREATE TABLE t (id int PRIMARY KEY, name text, price numeric(8, 2));"
    "INSERT INTO t SELECT g, 'name ' || g, g / 4.0 FROM generate_series(1, 1000) AS g"
)
ROWS = "SELECT id, name, price FROM t"


@dataclass(frozen=True)
class Sample:
    """A source of the rows of ``ROWS``, and one of the same kind that reads what is not there."""

    source: Callable[[], Any]
    missing: Callable[[], Source]


SAMPLES: dict[type, Sample] = {
    TableSource: Sample(lambda: TableSource("t", title="a title"), lambda: TableSource("nowhere")),
    QuerySource: Sample(lambda: QuerySource(ROWS, title="a title"), lambda: QuerySource("SELECT * FROM nowhere")),
}


def test_every_kind_has_a_sample() -> None:
    assert set(SAMPLES) == set(SOURCES)


@pytest.fixture(params=SOURCES, ids=lambda kind: kind.__name__)
def sample(request: pytest.FixtureRequest) -> Sample:
    """One of each kind."""
    return SAMPLES[request.param]


@pytest.fixture(autouse=True)
def table(conn: psycopg.Connection) -> None:
    """What the samples read."""
    conn.execute(TABLE.encode())


@contextmanager
def opened(dsn: str, *sources: Source) -> Iterator[Moment]:
    with Leader.open(dsn, application_name="polyglot test") as leader:
        yield Moment.open(leader, sources)


def read(moment: Moment, source: int = 0, **more: object) -> bytes:
    spec = parse_spec({"format": "csv", "dataset": "any", **more})
    made = plan(moment, spec, Limits(workers=1), source=source)
    with closing(LOCAL.open(made)) as stream:
        return b"".join(iter(stream.next_chunk, None))


def test_it_is_plain_data(sample: Sample) -> None:
    assert sample.source() == sample.source()
    assert pickle.loads(pickle.dumps(sample.source())) == sample.source()
    with pytest.raises(AttributeError):
        sample.source().title = "another"  # type: ignore[misc, unused-ignore]


def test_its_rows_are_those_of_copy(dsn: str, conn: psycopg.Connection, sample: Sample) -> None:
    with opened(dsn, sample.source()) as moment:
        assert read(moment) == copied(conn, ROWS)


def test_its_title_is_for_people(dsn: str, sample: Sample) -> None:
    with opened(dsn, sample.source()) as moment:
        made = plan(moment, parse_spec({"format": "csv", "dataset": "any"}), Limits())
    assert made.source == "a title"


def test_it_can_be_narrowed(dsn: str, conn: psycopg.Connection, sample: Sample) -> None:
    with opened(dsn, sample.source()) as moment:
        got = read(
            moment,
            columns=[{"source": "name", "target": "n"}],
            filter=[{"column": "id", "op": "<=", "value": 9}],
            orderBy=[{"column": "price", "direction": "desc"}],
            limit=4,
        )
    assert got == copied(conn, "SELECT name AS n FROM t WHERE id <= 9 ORDER BY price DESC LIMIT 4")


def test_only_the_columns_of_the_source_can_be_named(dsn: str, conn: psycopg.Connection, sample: Sample) -> None:
    narrow: Source = sample.source()._replace(columns=("price", "id"))
    with opened(dsn, narrow) as moment:
        wrong: list[dict[str, Any]] = [
            {"columns": ["name"]},
            {"filter": [{"column": "name", "op": "=", "value": "x"}]},
            {"orderBy": [{"column": "name"}]},
        ]
        for what in wrong:
            with pytest.raises(SpecError, match="there is no column 'name'; allowed are price, id"):
                read(moment, **what)
        assert read(moment) == copied(conn, "SELECT price, id FROM t")


def test_a_column_of_the_source_that_does_not_exist(dsn: str, sample: Sample) -> None:
    with (
        pytest.raises(SpecError, match="the configured column 'nope' does not exist"),
        opened(dsn, sample.source()._replace(columns=("id", "nope"))),
    ):
        pass


def test_what_is_not_there(dsn: str, sample: Sample) -> None:
    with pytest.raises(UnknownDataset, match="nowhere"), opened(dsn, sample.missing()):
        pass


def test_all_that_it_reads_is_held(dsn: str, conn: psycopg.Connection, sample: Sample) -> None:
    with opened(dsn, sample.source()) as moment:
        assert moment.locked == {oid(conn, "t")}
        with pytest.raises(psycopg.errors.LockNotAvailable):
            conn.execute("SET lock_timeout = '10ms'; TRUNCATE t")
        conn.execute("INSERT INTO t VALUES (0, 'later', 0)")
        assert b"later" not in read(moment)


def test_two_of_its_kind_are_of_one_moment(dsn: str, conn: psycopg.Connection, sample: Sample) -> None:
    conn.execute("CREATE TABLE others AS SELECT 'other' AS name")
    expected = copied(conn, ROWS)
    with opened(dsn, TableSource("others"), sample.source()) as moment:
        conn.execute("DELETE FROM t WHERE id > 10; UPDATE others SET name = 'later'")
        assert moment.locked == {oid(conn, "t"), oid(conn, "others")}
        assert read(moment, source=0) == b"name\nother\n"
        assert read(moment, source=1) == expected


def oid(conn: psycopg.Connection, name: str) -> int:
    found = conn.execute("SELECT %s::regclass::oid", [name]).fetchone()
    assert found is not None
    return int(found[0])
