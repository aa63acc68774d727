"""What may be exported, as the service and ``polyglot datasets`` list it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from polyglot_export import SpecError, UnknownDataset
from polyglot_export.access.catalog import DatasetColumn, describe_dataset, list_datasets
from polyglot_export.access.configured import load_datasets
from polyglot_export.access.exposure import EVERYTHING
from polyglot_export.access.schema import ExposedTables
from tests.library.helpers import as_role, new_role

SCRIPT = """
CREATE TABLE t (id int PRIMARY KEY, name varchar(20), gone int, value numeric(18, 4)); ALTER TABLE t DROP COLUMN gone;
INSERT INTO t SELECT g, 'n', g FROM generate_series(1, 1000) AS g; ANALYZE t;
CREATE TABLE never_analyzed (a int);
CREATE VIEW v AS SELECT id FROM t; CREATE MATERIALIZED VIEW m AS SELECT id FROM t;
CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p DEFAULT;
CREATE SCHEMA other; CREATE TABLE other.o (a int); CREATE SEQUENCE s; CREATE TYPE pair AS (a int)
"""


def test_everything_that_the_login_may_read(conn: psycopg.Connection) -> None:
    conn.execute(SCRIPT.encode())
    found = {dataset.name: dataset for dataset in list_datasets(conn, EVERYTHING)}
    assert {name: dataset.kind for name, dataset in found.items()} == {
        "other.o": "table",
        "public.m": "materialized view",
        "public.never_analyzed": "table",
        "public.p": "partitioned table",
        "public.t": "table",
        "public.v": "view",
    }
    table = found["public.t"]
    assert table.columns == (
        DatasetColumn("id", "integer", False),
        DatasetColumn("name", "character varying(20)", True),
        DatasetColumn("value", "numeric(18,4)", True),
    )
    size = conn.execute("SELECT pg_table_size('t')").fetchone()
    assert (table.estimated_rows, (table.estimated_bytes,)) == (1000, size)
    assert found["public.never_analyzed"].estimated_rows is None
    assert (found["public.v"].estimated_rows, found["public.v"].estimated_bytes) == (None, None)
    assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


@pytest.mark.parametrize("waiting", [False, True], ids=["held", "waited for"])
def test_locks_of_others_are_not_waited_for(dsn: str, conn: psycopg.Connection, waiting: bool) -> None:
    """A migration that holds ACCESS EXCLUSIVE, and one that waits for it behind a reader, as it does behind every
    export.
    """
    conn.execute(SCRIPT.encode())
    conn.execute("VACUUM ANALYZE t")
    sizes = {dataset.name: dataset.estimated_bytes for dataset in list_datasets(conn, EVERYTHING)}
    conn.execute("SET lock_timeout = '1s'")  # a wait is an error
    lock = "ALTER TABLE t ADD more int"
    with psycopg.connect(dsn) as reader, psycopg.connect(dsn) as migration, ThreadPoolExecutor(1) as background:
        if waiting:
            reader.execute("SELECT FROM t LIMIT 1")
            altered = background.submit(migration.execute, lock)
            queued = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"
            while conn.execute(queued).fetchone() == (0,):
                pass
        else:
            migration.execute(lock)
        try:
            found = {dataset.name: dataset for dataset in list_datasets(conn, EVERYTHING)}
            alone = describe_dataset(conn, ExposedTables.public(), "t")
        finally:
            reader.rollback()
            if waiting:
                altered.result()
            migration.rollback()
    pages = conn.execute("SELECT relpages * 8192 FROM pg_class WHERE oid = 't'::regclass").fetchone()
    assert alone.estimated_rows == found["public.t"].estimated_rows == 1000
    assert pages == (alone.estimated_bytes,) == (found["public.t"].estimated_bytes,)
    others = {name: dataset.estimated_bytes for name, dataset in found.items() if name != "public.t"}
    assert others == {name: bytes_ for name, bytes_ in sizes.items() if name != "public.t"}


def test_grants_narrow_it(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(SCRIPT.encode())
    with new_role(conn, "reader") as role:
        conn.execute(f"GRANT SELECT (id) ON t TO {role}; GRANT SELECT ON v, other.o TO {role}".encode())
        with psycopg.connect(as_role(dsn, role), autocommit=True) as reader:
            found = {dataset.name: dataset for dataset in list_datasets(reader, EVERYTHING)}
            assert set(found) == {"public.t", "public.v"}  # without USAGE on its schema, other.o cannot be read
            assert [column.name for column in found["public.t"].columns] == ["id"]
            assert [dataset.name for dataset in list_datasets(reader, ExposedTables.public())] == ["t", "v"]


def test_public_tables_without_views_for_a_privileged_login(conn: psycopg.Connection) -> None:
    conn.execute(SCRIPT.encode())
    assert [dataset.name for dataset in list_datasets(conn, ExposedTables.public())] == [
        "m",
        "never_analyzed",
        "p",
        "t",
    ]
    assert describe_dataset(conn, ExposedTables.public(), "t").name == "t"
    for name in ("v", "other.o", "nope"):
        with pytest.raises(UnknownDataset):
            describe_dataset(conn, ExposedTables.public(), name)


def test_configured_datasets(conn: psycopg.Connection) -> None:
    conn.execute(SCRIPT.encode())
    exposure = load_datasets(
        {
            "datasets": {
                "people": {"table": "t", "columns": ["name", "id"]},
                "asked": {"query": "SELECT id, name AS n FROM t"},
                "broken": {"table": "not_there"},
                "broken_query": {"query": "SELEC"},
                "last": {"table": "other.o"},
            }
        }
    )
    found = {dataset.name: dataset for dataset in list_datasets(conn, exposure)}
    assert list(found) == ["people", "asked", "last"]
    assert [column.name for column in found["people"].columns] == ["name", "id"]
    assert found["asked"].kind == "query"
    assert found["asked"].columns == (
        DatasetColumn("id", "integer", True),
        DatasetColumn("n", "character varying", True),
    )
    with pytest.raises(UnknownDataset):
        describe_dataset(conn, exposure, "t")
    with pytest.raises(SpecError):
        describe_dataset(conn, exposure, "broken_query")
    assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
