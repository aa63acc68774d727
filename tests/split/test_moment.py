"""All parts are of one moment, whatever other sessions do while they are read."""

from __future__ import annotations

import threading

import psycopg
import pytest

from polyglot_export import Export, ExportSpec, RunSettings, SourceChanged, open_export, parse_spec
from tests.fixtures.proxy import Proxy
from tests.library.helpers import copied, filled
from tests.service.client import wait_for

NARROW = RunSettings(workers=2, chunk_bytes=64 << 10, window_bytes=256 << 10)
"""So that an export of some megabytes cannot run ahead of its reader."""
PAGES = 1500


@pytest.fixture
def parts(conn: psycopg.Connection) -> ExportSpec:
    """A view of a partitioned table, read in eight parts."""
    rows = filled(conn, "p1", PAGES)
    conn.execute(
        f"CREATE TABLE p (id int NOT NULL, pad text) PARTITION BY RANGE (id);"
        f"ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (1) TO ({rows + 1}); CREATE VIEW v AS SELECT * FROM p;"
        "ALTER TABLE p1 DROP CONSTRAINT p1_pkey; CREATE INDEX ON p (id); ANALYZE".encode()
    )
    return parse_spec({"format": "csv", "dataset": "v", "splitBy": {"column": "id", "parts": 8}, "orderBy": ORDER})


ORDER = [{"column": "id"}]


def _opened(dsn: str, spec: ExportSpec) -> Export:
    export = open_export(spec, dsn=dsn, run=NARROW)
    assert export.plan.segments == 8
    return export


def test_what_is_written_meanwhile_is_in_no_part(dsn: str, conn: psycopg.Connection, parts: ExportSpec) -> None:
    expected = copied(conn, "SELECT * FROM v ORDER BY id")
    with _opened(dsn, parts) as export:
        first = next(export)
        conn.execute("UPDATE p SET id = 1 + (id * 7) % 20000, pad = 'moved'; DELETE FROM p WHERE id % 3 = 0")
        assert first + b"".join(export) == expected


def test_a_partition_that_a_later_part_would_read_fails_the_export(
    dsn: str, conn: psycopg.Connection, parts: ExportSpec
) -> None:
    """The first parts were planned without it, so that the file would have some of its rows."""
    conn.execute("CREATE TABLE late (id int NOT NULL, pad text); INSERT INTO late VALUES (1000001, 'late')")
    with _opened(dsn, parts) as export:
        next(export)
        conn.execute("ALTER TABLE p ATTACH PARTITION late FOR VALUES FROM (1000001) TO (2000000)")
        with pytest.raises(SourceChanged, match="a partition or child table was added"):
            b"".join(export)


def test_a_part_whose_connection_is_lost_is_read_again(dsn: str, conn: psycopg.Connection, parts: ExportSpec) -> None:
    """A chunk is larger than all parts, so that none of their bytes was handed out."""
    expected = copied(conn, "SELECT * FROM v ORDER BY id")
    run = RunSettings(workers=1, chunk_bytes=16 << 20)
    with Proxy.to(dsn) as proxy, open_export(parts, dsn=proxy.dsn, run=run) as export:
        before = proxy.connections
        proxy.cut_after(4_000_000)

        def heal() -> None:
            wait_for(lambda: proxy.has_struck)
            proxy.heal()

        healer = threading.Thread(target=heal)
        healer.start()
        received = b"".join(export)
        healer.join()
        assert proxy.connections > before + 1, "it was cut"
    assert received == expected
